"""The contract of an operator, and the registry that ``ops/`` fills.

One file in ``ops/`` is the whole truth about an operator: how its attributes are read from a model, what shapes it
gives, what it computes (NumPy, bit-exact with LiteRT's reference kernels), what it costs, and under which
constraints it is supported.  ``mcu-gen ops`` and ``docs/ops.md`` are rendered from these files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcu_gen.graph.dtype import DType
from mcu_gen.graph.ir import Node
from mcu_gen.graph.region import Span

#: ``(ok, observed)``: whether the rule holds, and what was found, as in ``"stride is 3x0"``.
Verdict = tuple[bool, str]

#: A function whose docstring *is* the rule (one line, present tense, as the user reads it).
Constraint = Callable[[Node], Verdict]


@dataclass(frozen=True)
class TensorType:
    """Shape and element type that an operator gives to an output."""

    shape: tuple[int, ...]
    dtype: DType


class Operator:
    """What every file in ``ops/`` defines one of.  Instances are stateless."""

    #: Name in graphs, reports and file names: ``conv2d``.
    name: ClassVar[str]
    #: TFLite builtin operator: ``CONV_2D``; empty for operators that no model file holds.
    builtin: ClassVar[str] = ""
    #: Element types of input 0 for which the operator is supported.
    dtypes: ClassVar[tuple[DType, ...]] = ()
    #: Rules beyond the dtype; all of them are checked, all failures are reported.
    constraints: ClassVar[Sequence[Constraint]] = ()
    #: Inputs that must be constants and are not activations (weights, biases, axes...): they are not streamed.
    parameter_inputs: ClassVar[tuple[int, ...]] = ()
    #: Where the inputs of a node lie in a model file, for operators whose file order does not begin with the
    #: activation: input ``i`` of a node is input ``file_inputs[i]`` of the file; () is the same order.
    file_inputs: ClassVar[tuple[int, ...]] = ()
    #: Inputs that are variables and that the operator writes.  In a graph they are its last outputs as well, in this
    #: order; in a model file they are inputs only.
    state_inputs: ClassVar[tuple[int, ...]] = ()
    #: Knows float16 by itself; all others see halves as float32 (:mod:`mcu_gen.graph.widen`).
    converts: ClassVar[bool] = False
    #: Inputs that may be float16 together with the outputs that are activations (:meth:`half_inputs`).
    halves: ClassVar[tuple[int, ...]] = ()
    #: Inputs that may be float16 or float32 whatever the others are: weights.
    half_weights: ClassVar[tuple[int, ...]] = ()

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes from the builtin options of a TFLite operator.

        ``options`` holds the fields of the options table in snake case, enums as lower-case strings
        (``padding`` = "same", ``fused_activation_function`` = "relu6"); fields left out hold their defaults.
        """
        del options
        return {}

    def infer(self, node: Node) -> list[TensorType]:
        """Shapes and types of the outputs, from the inputs and attributes.

        Raises:
            ValueError: the inputs do not fit together; the message says how.
        """
        raise NotImplementedError(f"{self.name}: shape rule")

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """What the operator computes: arrays of the output shapes and dtypes.

        int8/int16 results are bit-exact with LiteRT's ``BUILTIN_REF``; float32 within the bound of docs/numerics.md.
        ``inputs`` holds constants too.  The arrays must not be changed.
        """
        raise NotImplementedError(f"{self.name}: semantics")

    def from_file(self, inputs: Sequence[str | None]) -> tuple[str | None, ...]:
        """The inputs of a node, from those of the file."""
        if not self.file_inputs:
            return tuple(inputs)
        ordered = [inputs[i] if i < len(inputs) else None for i in self.file_inputs]
        return tuple(ordered)

    def to_file(self, inputs: Sequence[str | None]) -> tuple[str | None, ...]:
        """The inputs of the file, from those of a node; absent ones at the end are left out."""
        if not self.file_inputs:
            return tuple(inputs)
        ordered: list[str | None] = [None] * len(self.file_inputs)
        for i, name in enumerate(inputs):
            ordered[self.file_inputs[i]] = name
        while ordered and ordered[-1] is None:
            ordered.pop()
        return tuple(ordered)

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        """What a part of the output needs of an input (tiling algebra).

        Args:
            node: the operator in its graph; activations have the shape [N, H, W, C].
            index: the input.
            axis: 1 for rows, 2 for columns.
            out: rows or columns of the output, not empty.

        Returns:
            the rows or columns of the input that they need, clipped to the input; None where the operator needs the
            whole input along this axis (it cannot be tiled along it).
        """
        del node, index, axis, out
        return None

    def half_inputs(self, node: Node) -> tuple[int, ...]:
        """Inputs that are float16 where kernels compute ``node`` on halves; () where none does, and halves have to be
        converted to float32 in front of it.
        """
        del node
        return self.halves

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of the operator (0 where nothing is multiplied and summed)."""
        del node
        return 0


_REGISTRY: dict[str, Operator] = {}


def register(cls: type[Operator]) -> type[Operator]:
    """Class decorator: makes an operator known under its name."""
    assert cls.name not in _REGISTRY, f"operator {cls.name} is defined twice"
    _REGISTRY[cls.name] = cls()
    return cls


def operator(name: str) -> Operator:
    """The operator called ``name`` (importing :mod:`mcu_gen.ops` registers all of them)."""
    return _REGISTRY[name]


def operators() -> list[Operator]:
    """All registered operators by name."""
    return [_REGISTRY[k] for k in sorted(_REGISTRY)]


def check(node: Node) -> list[str]:
    """All reasons for which ``node`` is not supported, each naming the rule and what was observed."""
    impl = operator(node.type)
    reasons = []
    x = node.inputs[0] if node.inputs else None
    if impl.dtypes and x is not None and x.dtype not in impl.dtypes:
        allowed = ", ".join(d.value for d in impl.dtypes)
        reasons.append(f"input type must be one of {allowed}, but {x.name} is {x.dtype.value}")
        return reasons  # the other rules assume a supported type
    for rule in impl.constraints:
        ok, observed = rule(node)
        if not ok:
            text = " ".join((rule.__doc__ or rule.__name__).split()).rstrip(".")
            reasons.append(f"{text}, but {observed}")
    return reasons
