"""Runs a graph in NumPy: the readable definition of what the generated C computes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcu_gen.graph.freeze import handed_on, writers
from mcu_gen.graph.ir import Graph
from mcu_gen.graph.widen import evaluate


class Executor:
    """Executes a graph sample by sample; variables keep their values until :meth:`reset`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.state: dict[str, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Gives every variable its initial value (the zero point, which is the real number 0, where it has none)."""
        for t in self.graph.variables():
            self.state[t.name] = np.full(t.shape, t.zp, t.dtype.numpy) if t.initial is None else t.initial.copy()

    def freeze(self, index: int, frozen: bool = True) -> None:
        """Keeps trained tensor ``index`` as it is from now on, or lets it learn again."""
        assert self.graph.training is not None
        bits = np.unpackbits(self.state[self.graph.training.frozen].view(np.uint8), bitorder="little")
        bits[index] = frozen
        self.state[self.graph.training.frozen] = np.packbits(bits, bitorder="little").view(np.int32)

    def _idle(self) -> set[str]:
        """Operators that write what is frozen."""
        training = self.graph.training
        if training is None:
            return set()
        bits = np.unpackbits(self.state[training.frozen].view(np.uint8), bitorder="little")
        return {name for name, i in writers(self.graph).items() if bits[i]}

    def run(self, inputs: Mapping[str, np.ndarray], *, keep: bool = False) -> dict[str, np.ndarray]:
        """One inference; a training step where the graph has one and ``inputs`` hold its label.

        Args:
            inputs: an array of the tensor's shape and dtype per graph input.
            keep: return every tensor and not the outputs alone.
        """
        training = self.graph.training
        step = training is not None and training.label in inputs
        values: dict[str, np.ndarray] = dict(self.state)
        for name in self.graph.inputs if step else self.graph.inference_inputs:
            t = self.graph.tensors[name]
            x = inputs[name]
            if x.shape != t.shape or x.dtype != t.dtype.numpy:
                raise ValueError(f"input {name} is {x.dtype}{list(x.shape)}, expected {t.dtype.value}{list(t.shape)}")
            values[name] = x
        for t in self.graph.tensors.values():
            if t.data is not None:
                values[t.name] = t.data
        idle = self._idle()
        for node in self.graph.nodes():
            if training is not None and not step and node.name == training.first:
                break
            if node.name in idle:
                values.update((node.outputs[o].name, values[node.input(i).name]) for o, i in handed_on(node))
                continue
            args = [None if t is None else values[t.name] for t in node.inputs]
            results = evaluate(node, args)
            for t, r in zip(node.outputs, results, strict=True):
                assert r.shape == t.shape, f"{node.name}: {r.shape} for {t}"
                assert r.dtype == t.dtype.numpy, f"{node.name}: {r.dtype} for {t}"
                values[t.name] = r
        for name in self.state:
            self.state[name] = values[name]
        if keep:
            return values
        return {n: values[n] for n in (self.graph.outputs if step else self.graph.inference_outputs)}
