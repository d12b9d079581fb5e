"""What a training step costs, as plain data: the key ``training`` of plans and analyses."""

from __future__ import annotations

from typing import Any

from mcu_gen.graph import Graph
from mcu_gen.train import phases


def training_costs(graph: Graph) -> dict[str, Any]:
    """Costs of the training step of a graph, whatever the target.  Sizes in bytes.

    ``mode`` is ``immediate`` or ``accumulate``, ``dtype`` what gradients are stored in.  ``trainable_parameters`` are
    numbers, ``trained_bytes`` their bytes in RAM; ``optimizer_state_bytes`` all other variables; ``saved_bytes`` what
    the forward pass leaves for the backward pass.  ``macs`` by phase, see :data:`mcu_gen.train.phases.PHASES`.
    """
    training = graph.training
    assert training is not None
    trained = [graph.tensors[n] for n in training.trained]
    loss = graph.producer(training.loss)
    assert loss is not None
    return {
        "mode": phases.mode(graph),
        "dtype": phases.gradient_dtype(graph),
        "loss": loss.type,
        "trained_tensors": len(trained),
        "trainable_parameters": sum(t.elements for t in trained),
        "trained_bytes": sum(t.bytes for t in trained),
        "optimizer_state_bytes": sum(graph.tensors[n].bytes for n in phases.optimizer_state(graph)),
        "saved_bytes": sum(graph.tensors[n].bytes for n in phases.saved_activations(graph)),
        "macs": phases.macs_by_phase(graph),
    }
