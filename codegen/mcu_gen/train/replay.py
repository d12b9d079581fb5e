"""A training step that also trains on samples it has seen before, against forgetting: latent replay.

What is kept of a sample is what crosses the seam between the frozen and the trained layers (Pellegrini et al. 2020), in
8 bits (Ravaglia et al. 2021), with its label.  A step trains on the new sample as always; then the trained part, its
loss, its backward pass and its updates run again on samples drawn from the buffer; at last the new sample enters the
buffer by reservoir sampling.  All of that is operators of the graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Graph, Node, Op, Replay, Tensor, operator
from mcu_gen.ops.replay import initial_state
from mcu_gen.train.seam import suffix

#: Integers are kept as they are.
_KEPT = (DType.INT8, DType.UINT8, DType.INT16)

#: Bytes of a row that is not there: a label that is no class, or no number, with which nothing is trained.
_NO_LABEL = 0xFF


def with_replay(graph: Graph, samples: int, steps: int) -> Graph:
    """A training graph with a replay buffer.

    Args:
        graph: a training step.
        samples: slots of the buffer.
        steps: samples of the buffer that every step trains on.

    Raises:
        UnsupportedModelError: something crosses the seam that cannot be kept in 8 bits.
    """
    assert graph.training is not None
    part = _trained_part(graph)
    seam = _seam(graph, part)
    reasons = [f"tensor {t.name} is {t.dtype.value}" for t in seam if t.dtype not in (*_KEPT, DType.FLOAT32)]
    if reasons:
        raise UnsupportedModelError(
            "a replay buffer cannot keep what the frozen layers give", reasons=reasons, where="--train ...,replay=N"
        )
    b = _Buffer(graph, samples, seam)
    for turn in range(steps):
        b.again(part, f".replay{turn}" if steps > 1 else ".replay")
    b.admit()
    row = sum(b.out.tensors[n].bytes for n in b.variables) - b.out.tensors[b.state].bytes
    note = f"replay buffer: {samples} samples of {row // samples:,} B"
    replay = Replay(samples, steps, tuple(b.variables), b.first)
    b.out.training = dataclasses.replace(graph.training, replay=replay, notes=(*graph.training.notes, note))
    return b.out.prune()


def _trained_part(graph: Graph) -> set[str]:
    """Names of the operators that run again: all that depends on a weight that training changes, and what converts
    the activations at the seam for them."""
    assert graph.training is not None
    first = next(i for i, op in enumerate(graph.ops) if op.name == graph.training.first)
    behind = graph.ops[first:]
    written = {n for op in behind for n in op.outputs if graph.tensors[n].variable}
    part = suffix(graph, written) | {op.name for op in behind}
    for op in reversed(graph.ops[:first]):
        readers = {o.name for o in graph.consumers(op.outputs[0])}
        if op.name not in part and readers <= part and op.outputs[0] not in graph.outputs and _widens(graph.node(op)):
            part.add(op.name)
    return part


def _widens(node: Node) -> bool:
    """Whether an operator only converts its input, from a type that takes less room in the buffer."""
    if sum(t is not None and t.data is None for t in node.inputs) != 1 or node.x.dtype is node.y.dtype:
        return False
    kept = node.x.dtype in _KEPT and node.x.bytes <= node.y.bytes
    return node.x.shape == node.y.shape and (kept or (node.x.dtype is DType.FLOAT32 and node.y.dtype.is_float))


def _seam(graph: Graph, part: set[str]) -> list[Tensor]:
    """The activations that the operators ``part`` read of the others."""
    assert graph.training is not None
    ops = [op for op in graph.ops if op.name in part]
    made = {n for op in ops for n in op.outputs} | {graph.training.label}
    names = dict.fromkeys(n for op in ops for n in op.inputs if n is not None and n not in made)
    tensors = [graph.tensors[n] for n in names]
    return [t for t in tensors if t.data is None and not t.variable]


class _Buffer:
    """Appends the operators of a replay buffer to a copy of a training graph."""

    def __init__(self, graph: Graph, samples: int, seam: Sequence[Tensor]) -> None:
        assert graph.training is not None
        self.graph, self.out, self.samples = graph, graph.copy(), samples
        self.training = graph.training
        self.variables: list[str] = []
        #: the first operator that is appended
        self.first = ""
        self.state = self._variable("replay.state", (2,), DType.INT32, initial_state())
        #: what is kept of a sample -> the array that keeps it
        self.rows: dict[str, str] = {}
        #: floating-point tensors of the seam -> their codes and scale
        self.coded: dict[str, tuple[str, str]] = {}
        self.seam = [t.name for t in seam]
        label = graph.tensors[self.training.label]
        self.rows[label.name] = self._variable("replay.labels", (samples, *label.shape), label.dtype)
        for t in seam:
            if t.dtype is DType.FLOAT32:
                codes, scale = self._op("replay_encode", [t.name], [f"{t.name}.codes", f"{t.name}.scale"])
                self.coded[t.name] = codes, scale
                self.rows[codes] = self._variable(f"replay.{t.name}", (samples, *t.shape), DType.INT8)
                self.rows[scale] = self._variable(f"replay.{t.name}.scale", (samples, 1), DType.FLOAT32)
            else:
                self.rows[t.name] = self._variable(f"replay.{t.name}", (samples, *t.shape), t.dtype)

    def _variable(self, base: str, shape: tuple[int, ...], dtype: DType, initial: np.ndarray | None = None) -> str:
        name = self.out.unique_name(base)
        self.out.add_tensor(Tensor(name, shape, dtype, variable=True, initial=initial))
        self.variables.append(name)
        return name

    def _op(self, type: str, inputs: Sequence[str], names: Sequence[str], **attrs: object) -> list[str]:
        """An operator; outputs that exist are variables that it writes."""
        outputs = [n if n in self.variables else self.out.unique_name(n) for n in names]
        new = [n for n in outputs if n not in self.variables]
        for name in new:
            self.out.add_tensor(Tensor(name, (), DType.INT32))
        op = Op(self.out.unique_name(f"{outputs[0]}.{type}"), type, tuple(inputs), tuple(outputs), dict(attrs))
        found = operator(type).infer(self.out.node(op))
        for name, made in zip(outputs, found, strict=True):
            if name in new:
                self.out.tensors[name] = Tensor(name, made.shape, made.dtype)
        self.out.ops.append(op)
        self.first = self.first or op.name
        return outputs

    def again(self, part: set[str], mark: str) -> None:
        """Draws a sample and trains on it."""
        slot, _ = self._op("replay_draw", [self.state], [f"slot{mark}", self.state], samples=self.samples)
        names = {self.training.label: self._read(self.training.label, slot, mark, _NO_LABEL)}
        for name in self.seam:
            if name in self.coded:
                codes, scale = (self._read(n, slot, mark, 0) for n in self.coded[name])
                (names[name],) = self._op("replay_decode", [codes, scale], [f"{name}{mark}"])
            else:
                names[name] = self._read(name, slot, mark, 0)
        for op in self.graph.ops:
            if op.name in part:
                self._copy(op, names, mark)

    def _read(self, name: str, slot: str, mark: str, fill: int) -> str:
        t = self.out.tensors[name]
        (found,) = self._op("replay_read", [self.rows[name], slot], [f"{name}{mark}"], shape=t.shape, fill=fill)
        self.out.tensors[found] = t.replace(name=found)
        return found

    def _copy(self, op: Op, names: dict[str, str], mark: str) -> None:
        for name in op.outputs:
            t = self.out.tensors[name]
            if not t.variable:
                names[name] = self.out.unique_name(f"{name}{mark}")
                self.out.add_tensor(t.replace(name=names[name]))
        # an operator is called like its first output, where it was
        own = names[op.outputs[0]] if op.name == op.outputs[0] else self.out.unique_name(f"{op.name}{mark}")
        self.out.ops.append(
            op.replace(
                name=own,
                inputs=tuple(None if n is None else names.get(n, n) for n in op.inputs),
                outputs=tuple(names.get(n, n) for n in op.outputs),
            )
        )

    def admit(self) -> None:
        """Lets the new sample in, if its loss was valid."""
        producer = self.graph.producer(self.training.loss)
        assert producer is not None
        failed = producer.outputs[2]
        slot, _ = self._op("replay_admit", [failed, self.state], ["slot", self.state], samples=self.samples)
        for name, rows in self.rows.items():
            self._op("replay_write", [name, slot, rows], [rows])
