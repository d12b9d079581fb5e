"""What the operators that only move data share: constant arguments, strided views, common rules.

These operators copy elements byte for byte, so they work on any element type, and a quantized input and output
of different scales are *not* rescaled (LiteRT does not either).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import DType, Node, Tensor, Verdict, operator

#: Element types that the data-movement operators take; the kernels look at the element's size only.
ANY_DTYPE = tuple(DType)

#: Highest rank that the strided kernels and LiteRT's kernels take.
MAX_RANK = 8


@dataclass(frozen=True)
class View:
    """Elements of a tensor in the order of another: ``offset + sum(index[k] * strides[k])``, all in elements."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def indices(self) -> np.ndarray:
        """Flat source index of every element; int64 array of ``shape``."""
        at = np.full(self.shape, self.offset, np.int64)
        for axis, (n, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = np.arange(n, dtype=np.int64) * stride
            at += steps.reshape((n,) + (1,) * (len(self.shape) - axis - 1))
        return at

    def read(self, x: np.ndarray) -> np.ndarray:
        """The elements of ``x`` that the view names; array of ``shape``."""
        y: np.ndarray = x.reshape(-1)[self.indices()]
        return y


def row_major_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Distance in elements between neighbours along every axis of a packed tensor."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


def constant_argument(node: Node, index: int, what: str) -> np.ndarray:
    """The constant that input ``index`` holds, as a flat int64 array.

    Raises:
        ValueError: the input is absent, computed by the network, or does not hold integers.
    """
    if not node.has_input(index):
        raise ValueError(f"the {what} (input {index}) is missing")
    tensor = node.input(index)
    if tensor.data is None:
        raise ValueError(f"the {what} {tensor.name} is computed by the network, it must be a constant")
    if tensor.data.dtype.kind not in "iub":
        raise ValueError(f"the {what} {tensor.name} is {tensor.dtype.value}, it must hold integers")
    return tensor.data.astype(np.int64).reshape(-1)


def axis_of(axis: int, rank: int, what: str) -> int:
    """``axis`` counted from the front.

    Raises:
        ValueError: it lies outside [-rank, rank).
    """
    if not -rank <= axis < rank:
        raise ValueError(f"{what} {axis} lies outside [{-rank}, {rank - 1}] of a tensor of rank {rank}")
    return axis % rank


def arguments_are_constant(node: Node) -> Verdict:
    """shapes, axes, paddings, begins and sizes are constants"""
    computed = [t.name for t in node.inputs[1:] if t is not None and not t.is_constant]
    return not computed, f"{', '.join(computed)} is computed by the network"


def result_is_not_empty(node: Node) -> Verdict:
    """the output holds at least one element"""
    try:
        shape = operator(node.type).infer(node)[0].shape
    except ValueError:
        return True, ""  # reported as an error of its own
    return 0 not in shape, f"its shape is {list(shape)}"


def rank_is_supported(node: Node) -> Verdict:
    """the rank is at most 8"""
    return len(node.x.shape) <= MAX_RANK, f"it is {len(node.x.shape)}"


def same_quantization(a: Tensor, b: Tensor) -> bool:
    """Both tensors have the same scales and zero points, or neither has any."""
    return a.quant.same_as(b.quant) if a.quant is not None else b.quant is None
