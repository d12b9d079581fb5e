"""Rewrites of a graph that hold for every target and change no bit of any output.

Each pass is a small function ``Graph -> Graph``; :data:`PASSES` is their order.  The interface (inputs and
outputs, their names and types) and the state of variables stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from mcu_gen.graph import Graph
from mcu_gen.passes.dead_channels import dead_channels
from mcu_gen.passes.fold_constants import fold_constants
from mcu_gen.passes.fuse_activation import fuse_activation
from mcu_gen.passes.fuse_pad import fuse_pad
from mcu_gen.passes.merge_views import merge_reshapes, merge_transposes, transposes_to_reshapes
from mcu_gen.passes.remove_clamps import remove_clamps
from mcu_gen.passes.remove_dead import remove_dead
from mcu_gen.passes.remove_identities import remove_identities
from mcu_gen.passes.share_equal import share_equal

__all__ = ["PASSES", "run_passes"]

#: In order; later ones profit from earlier ones.
PASSES: tuple[Callable[[Graph], Graph], ...] = (
    fold_constants,
    transposes_to_reshapes,
    merge_transposes,
    merge_reshapes,
    remove_identities,
    fuse_pad,
    share_equal,
    fuse_activation,  # before a clamp goes that int8 does not need: the operator then says what its range stands for
    remove_clamps,
    dead_channels,
    remove_dead,
)

#: Every round removes or simplifies something, so few are ever needed; the bound keeps a faulty pass from looping.
_MAX_ROUNDS = 10


def run_passes(graph: Graph) -> Graph:
    """All passes, in order, again until nothing changes."""
    for _ in range(_MAX_ROUNDS):
        before = _outline(graph)
        for rewrite in PASSES:
            graph = rewrite(graph)
        if _outline(graph) == before:
            break
    return graph


def _outline(graph: Graph) -> list[tuple[object, ...]]:
    return [
        (op.name, op.type, op.inputs, op.outputs, op.attrs.get("activation"), graph.tensors[op.outputs[0]].shape)
        for op in graph.ops
    ]
