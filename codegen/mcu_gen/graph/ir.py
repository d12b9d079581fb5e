"""The intermediate representation: tensors, operators, and the graph that joins them.

A :class:`Graph` is plain data.  It knows no operator by name; what an operator means is said in ``ops/`` through
the contract in :mod:`mcu_gen.graph.operator`.  Tensors are named, single-assignment values: each is a graph
input, a constant (``data`` is set), a variable (state that lives between two inferences), or the output of exactly
one operator.  Activations are NHWC, convolution weights OHWI, depthwise weights 1HWC, as in TFLite.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.graph.dtype import DType


@dataclass(frozen=True, eq=False)
class QuantParams:
    """Affine quantization: real = scale * (q - zero_point).

    ``scale`` (float32) and ``zero_point`` (int64) are 1-D with one element (per tensor) or one per index of ``axis``.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int = 0) -> QuantParams:
        return cls(np.array([scale], np.float32), np.array([zero_point], np.int64))

    @property
    def is_per_channel(self) -> bool:
        return self.axis is not None

    @property
    def s(self) -> float:
        """The scale of a per-tensor quantization, exactly the float32 of the model as a Python float."""
        assert self.scale.size == 1, "per-tensor scale asked of a per-channel quantization"
        return float(self.scale[0])

    @property
    def zp(self) -> int:
        """The zero point of a per-tensor quantization."""
        assert self.zero_point.size == 1, "per-tensor zero point asked of a per-channel quantization"
        return int(self.zero_point[0])

    def same_as(self, other: QuantParams | None) -> bool:
        return (
            other is not None
            and self.axis == other.axis
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


@dataclass(frozen=True, eq=False)
class Tensor:
    """A named value.  ``data`` is set for constants, ``variable`` for state kept between inferences.

    ``initial`` is what a variable holds after a reset; without it that is the zero point, the real number 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: QuantParams | None = None
    data: np.ndarray | None = None
    variable: bool = False
    initial: np.ndarray | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def s(self) -> float:
        """Per-tensor scale."""
        assert self.quant is not None, f"tensor {self.name} is not quantized"
        return self.quant.s

    @property
    def zp(self) -> int:
        """Per-tensor zero point (0 for a tensor without quantization)."""
        return self.quant.zp if self.quant is not None else 0

    def replace(self, **changes: Any) -> Tensor:
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Op:
    """One operator of a graph: its type (a name in ``ops/``), tensor names and attributes.

    An input that the model leaves out (TFLite's index -1) is None.  ``name`` is unique in the graph and is what the
    user sees: the name of the first output in the model file, unless that is taken.  ``origin`` is set for operators
    that a training step adds for one operator of the network: its name.
    """

    name: str
    type: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""

    def replace(self, **changes: Any) -> Op:
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Node:
    """An operator together with its tensors: what the code of an operator or a kernel looks at."""

    op: Op
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        return self.op.name

    @property
    def type(self) -> str:
        return self.op.type

    def input(self, index: int) -> Tensor:
        """Input ``index``; it must be present."""
        tensor = self.inputs[index]
        assert tensor is not None, f"{self.name}: input {index} is absent"
        return tensor

    def has_input(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.input(0)

    @property
    def y(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    def attr(self, name: str) -> Any:
        return self.op.attrs[name]

    def int_attr(self, name: str) -> int:
        return int(self.op.attrs[name])

    def float_attr(self, name: str) -> float:
        return float(self.op.attrs[name])

    def bool_attr(self, name: str) -> bool:
        return bool(self.op.attrs[name])

    def str_attr(self, name: str) -> str:
        return str(self.op.attrs[name])


@dataclass(frozen=True)
class Replay:
    """The replay buffer of a training step.

    Attributes:
        samples: slots of the buffer.
        steps: samples of it that every step trains on after the new one.
        variables: what it is made of.
        first: the first operator of the training step that works for it.
    """

    samples: int
    steps: int
    variables: tuple[str, ...]
    first: str


@dataclass(frozen=True)
class Training:
    """What a graph that trains itself adds to an inference: the rest of a training step, and its tensors.

    The operators before ``first`` are the inference.  A training step runs all of them; it reads one more graph input,
    ``label``, and writes two more graph outputs, ``loss`` and ``skipped``.
    """

    #: the first operator that is not part of the inference
    first: str
    #: graph input: int32 class numbers, or float32 targets in the shape of the output
    label: str
    #: graph output, float32 [1]: the loss before the update
    loss: str
    #: graph output, int32 [1]: 0 where every update was applied
    skipped: str
    #: variable, float32 [1]: the learning rate
    rate: str
    #: variables that the updates write, in the order of the layers
    trained: tuple[str, ...]
    #: ``immediate``: gradients are applied as they are made; ``accumulate``: all gradients first
    mode: str = "immediate"
    #: variables that hold the state of the optimizer: sums of gradients, moments, loss scale, random generators
    state: tuple[str, ...] = ()
    #: what the user of the network should know, a sentence each
    notes: tuple[str, ...] = ()
    replay: Replay | None = None
    #: variable, int32 [words]: bit i of all its bits says that trained tensor i is frozen (:mod:`mcu_gen.graph.freeze`)
    frozen: str = ""


class Graph:
    """Operators in execution order, the tensors they name, the inputs and the outputs.

    Passes take a graph and return a new one (:meth:`copy` is cheap: tensors and operators are immutable).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        #: Other names of inputs and outputs (a model's signatures): {name: tensor}.
        self.aliases: dict[str, str] = {}
        #: What the import found odd and could live with, one sentence each.
        self.warnings: list[str] = []
        #: SHA-256 of the model file, "" for a graph that came from none.
        self.sha256 = ""
        #: {activation: numbers of the channels that passes have left of it}, where they removed some.
        self.channels: dict[str, tuple[int, ...]] = {}
        #: Set where the graph holds a training step as well.
        self.training: Training | None = None

    def copy(self) -> Graph:
        other = Graph(self.name)
        other.tensors = dict(self.tensors)
        other.ops = list(self.ops)
        other.inputs = list(self.inputs)
        other.outputs = list(self.outputs)
        other.aliases = dict(self.aliases)
        other.warnings = list(self.warnings)
        other.sha256 = self.sha256
        other.channels = dict(self.channels)
        other.training = self.training
        return other

    @property
    def inference_inputs(self) -> list[str]:
        """Graph inputs without the label of a training step."""
        return [n for n in self.inputs if self.training is None or n != self.training.label]

    @property
    def inference_outputs(self) -> list[str]:
        """Graph outputs without those of a training step."""
        extra = () if self.training is None else (self.training.loss, self.training.skipped)
        return [n for n in self.outputs if n not in extra]

    def add_tensor(self, tensor: Tensor) -> Tensor:
        assert tensor.name not in self.tensors, f"tensor {tensor.name} exists"
        self.tensors[tensor.name] = tensor
        return tensor

    def node(self, op: Op) -> Node:
        return Node(
            op,
            tuple(None if n is None else self.tensors[n] for n in op.inputs),
            tuple(self.tensors[n] for n in op.outputs),
        )

    def nodes(self) -> Iterator[Node]:
        for op in self.ops:
            yield self.node(op)

    def producer(self, tensor: str) -> Op | None:
        return next((op for op in self.ops if tensor in op.outputs), None)

    def consumers(self, tensor: str) -> list[Op]:
        return [op for op in self.ops if tensor in op.inputs]

    def unique_name(self, base: str) -> str:
        """A tensor and operator name that is not taken: ``base``, or ``base_1``, ``base_2``..."""
        taken = set(self.tensors) | {op.name for op in self.ops}
        if base not in taken:
            return base
        return next(f"{base}_{i}" for i in range(1, len(taken) + 2) if f"{base}_{i}" not in taken)

    def variables(self) -> list[Tensor]:
        return [t for t in self.tensors.values() if t.variable]

    def prune(self) -> Graph:
        """Without operators whose outputs nobody uses, and without tensors that no operator names.

        Operators that write a variable stay: their effect is state.  Graph inputs stay as well: they are the interface.
        """
        needed = set(self.outputs)
        kept: list[Op] = []
        for op in reversed(self.ops):
            touches_state = any(n is not None and self.tensors[n].variable for n in (*op.inputs, *op.outputs))
            if touches_state or any(n in needed for n in op.outputs):
                kept.append(op)
                needed.update(n for n in op.inputs if n is not None)
        out = self.copy()
        out.ops = kept[::-1]
        named = set(out.inputs) | set(out.outputs)
        named |= set() if self.training is None else {self.training.frozen}
        for op in out.ops:
            named.update(n for n in (*op.inputs, *op.outputs) if n is not None)
        out.tensors = {n: t for n, t in self.tensors.items() if n in named}
        return out
