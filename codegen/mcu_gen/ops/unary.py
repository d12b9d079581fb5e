"""What the operators y = f(x), element by element, have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mcu_gen.graph import Constraint, DType, Node, Operator, TensorType, Verdict, operator
from mcu_gen.graph.region import Span


def output_type_is_input_type(node: Node) -> Verdict:
    """the output type is the input type"""
    return node.y.dtype is node.x.dtype, f"input is {node.x.dtype.value}, output {node.y.dtype.value}"


def has_scales(node: Node) -> bool:
    """Whether input and output are integers with one scale above 0 each: what rules about scales presuppose."""
    return all(
        not t.dtype.is_float and t.quant is not None and t.quant.scale.size == 1 and 0 < t.s < float("inf")
        for t in (node.x, node.y)
    )


def quantization_is_per_tensor(node: Node) -> Verdict:
    """integer inputs and outputs have one scale above 0 and one zero point each"""
    for t in (node.x, node.y):
        if not t.dtype.is_float and (t.quant is None or t.quant.scale.size != 1 or not 0 < t.s < float("inf")):
            return False, f"{t.name} has the scales {[] if t.quant is None else t.quant.scale.tolist()}"
    return True, ""


def int16_is_symmetric(node: Node) -> Verdict:
    """int16 tensors have zero point 0"""
    for t in (node.x, node.y):
        if t.dtype is DType.INT16 and t.quant is not None and (t.quant.zero_point != 0).any():
            return False, f"{t.name} has zero point {t.quant.zero_point.tolist()}"
    return True, ""


def scales_are_comparable(node: Node) -> Verdict:
    """input scale / output scale is below 2^30"""
    if not has_scales(node):
        return True, ""
    return node.x.s / node.y.s < 2.0**30, f"they are {node.x.s:g} and {node.y.s:g}"


QUANTIZATION_RULES = (
    output_type_is_input_type,
    quantization_is_per_tensor,
    int16_is_symmetric,
    scales_are_comparable,
)


class Unary(Operator):
    """y = f(x) of the shape of x.  Subclasses say what f is on codes and on real numbers."""

    dtypes: ClassVar[tuple[DType, ...]] = (DType.INT8, DType.FLOAT32)
    constraints: ClassVar[Sequence[Constraint]] = QUANTIZATION_RULES

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.y.dtype)]

    def input_span(self, node: Node, index: int, axis: int, out: Span) -> Span | None:
        return out

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x = inputs[0]
        assert x is not None
        y = self.reals(node, x.astype(np.float64)) if node.x.dtype is DType.FLOAT32 else self.codes(node, x)
        return [y.astype(node.y.dtype.numpy)]

    def codes(self, node: Node, x: np.ndarray) -> np.ndarray:
        """f on integer codes of the input type, any shape; the results are in the range of the output type."""
        raise NotImplementedError(f"{self.name}: integer semantics")

    def reals(self, node: Node, x: np.ndarray) -> np.ndarray:
        """f on float64, any shape."""
        raise NotImplementedError(f"{self.name}: real semantics")


def byte_table(node: Node) -> np.ndarray:
    """f of a :class:`Unary` operator for all 256 codes of an 8-bit input, indexed by the code modulo 256."""
    impl = operator(node.type)
    assert isinstance(impl, Unary)
    codes = np.arange(256, dtype=np.uint8).view(node.x.dtype.numpy)
    return impl.codes(node, codes).astype(node.y.dtype.numpy)


def round_away(x: np.ndarray) -> np.ndarray:
    """C's ``round``: ties away from zero.  ``x`` is float64 that holds float32 values, so x + 0.5 is exact."""
    result: np.ndarray = np.trunc(x + np.copysign(0.5, x))
    return result


def quantized(node: Node, values: np.ndarray) -> np.ndarray:
    """``LUTPopulate`` for 8 bits: float32 function values to codes, in float32 arithmetic, ties away from zero."""
    rescaled = values * np.float32(np.float32(1) / np.float32(node.y.s))
    rounded = round_away(rescaled.astype(np.float64)).astype(np.float32)
    low, high = node.y.dtype.limits
    return np.clip((rounded + np.float32(node.y.zp)).astype(np.float64), low, high).astype(np.int64)


def dequantized(node: Node, x: np.ndarray) -> np.ndarray:
    """Input codes as real numbers, in float32 arithmetic."""
    return np.float32(node.x.s) * (x.astype(np.int64) - node.x.zp).astype(np.float32)
