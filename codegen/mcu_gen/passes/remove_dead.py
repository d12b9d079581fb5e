"""Dead code: operators whose results nobody uses, and tensors that no operator names."""

from __future__ import annotations

from mcu_gen.graph import Graph


def remove_dead(graph: Graph) -> Graph:
    """Without what no output and no variable depends on; inputs of the graph stay, they are the interface."""
    return graph.prune()
