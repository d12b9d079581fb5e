"""What the gradient rules share: names, attributes of windows, and the operators that gradients are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Tensor
from mcu_gen.train.builder import Builder

_WINDOW = ("stride_h", "stride_w", "dilation_h", "dilation_w", "padding", "pad", "filter_h", "filter_w")


def name_of(node: Node, index: int) -> str:
    """What the gradient of input ``index`` is called."""
    return f"{node.input(index).name}.grad"


def window(node: Node) -> dict[str, Any]:
    """Attributes of a sliding window."""
    return {name: node.op.attrs[name] for name in _WINDOW if name in node.op.attrs}


def constant(b: Builder, values: np.ndarray, name: str) -> str:
    """A constant tensor."""
    tensor = Tensor(b.graph.unique_name(name), values.shape, DType.of(values), data=values)
    return b.graph.add_tensor(tensor).name


def integers(b: Builder, values: Sequence[Any], name: str) -> str:
    """A constant argument: axes, sizes, paddings."""
    return constant(b, np.array(values, np.int32), name)


def scalar(b: Builder, value: float, like: str, name: str) -> str:
    """A constant of one element, of the type of ``like``."""
    return constant(b, np.array(value, b.tensor(like).dtype.numpy), name)


def mul(b: Builder, x: str, y: str, name: str) -> str:
    """x y, broadcast."""
    return b.one("mul", [x, y], name, activation="none")


def add(b: Builder, x: str, y: str, name: str) -> str:
    """x + y, broadcast."""
    return b.one("add", [x, y], name, activation="none", pot_scale_int16=False)


def sub(b: Builder, x: str, y: str, name: str) -> str:
    """x - y, broadcast."""
    return b.one("sub", [x, y], name, activation="none", pot_scale_int16=False)


def scaled(b: Builder, x: str, factor: float, name: str) -> str:
    """x times a number."""
    return x if factor == 1 else mul(b, x, scalar(b, factor, x, f"{name}.factor"), name)


def reshape(b: Builder, x: str, shape: Sequence[int], name: str) -> str:
    """x under another shape."""
    return x if b.tensor(x).shape == tuple(shape) else b.one("reshape", [x], name, new_shape=tuple(shape))


def total(b: Builder, x: str, axes: Sequence[int], name: str) -> str:
    """The sum over some axes, which stay with length 1."""
    return b.one("sum", [x, integers(b, axes, f"{name}.axes")], name, keep_dims=True)


def broadcast(b: Builder, x: str, shape: Sequence[int], name: str) -> str:
    """x repeated along axes of length 1."""
    if b.tensor(x).shape == tuple(shape):
        return x
    return b.one("broadcast_to", [x, integers(b, shape, f"{name}.shape")], name)


def _neighbours(axes: Sequence[int]) -> list[list[int]]:
    """Ascending axes in groups that follow on each other."""
    groups: list[list[int]] = []
    for axis in axes:
        if groups and groups[-1][-1] == axis - 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def summed_to(b: Builder, dy: str, shape: Sequence[int], name: str) -> str:
    """The gradient of what was broadcast from ``shape``: the sum over all copies."""
    own = b.tensor(dy).shape
    source = (1,) * (len(own) - len(shape)) + tuple(shape)
    groups = _neighbours([i for i, (n, m) in enumerate(zip(own, source, strict=True)) if m == 1 and n > 1])
    for i in range(0, len(groups), 2):  # SUM takes two groups of axes, whatever lies between and beside them
        dy = total(b, dy, [axis for group in groups[i : i + 2] for axis in group], name)
    return reshape(b, dy, shape, name)


def is_suffix(shape: Sequence[int], of: Sequence[int]) -> bool:
    """Whether ``shape``, its leading axes of length 1 left out, is the end of another: one row among rows."""
    own = list(shape)
    while own and own[0] == 1:
        own.pop(0)
    return own == list(of)[len(of) - len(own) :]


def update_offset(b: Builder, dy: str, variable: Tensor) -> None:
    """Applies the sum over all copies of what was added."""
    if not (
        variable.shape and variable.elements == b.tensor(dy).shape[-1] and is_suffix(variable.shape, b.tensor(dy).shape)
    ):
        dy = summed_to(b, dy, variable.shape, f"{variable.name}.grad")
        dy = reshape(b, dy, (1, variable.elements), f"{variable.name}.grad")
    b.update("bias_update", [dy], variable.name)


def update_factor(b: Builder, dy: str, x: str, variable: Tensor) -> None:
    """Applies the sum over all copies of dy x, where a variable multiplied x."""
    shape = b.tensor(dy).shape
    if b.tensor(x).shape == shape and is_suffix(variable.shape, shape):
        b.update("mul_update", [dy, x], variable.name)
    else:
        update_offset(b, mul(b, dy, x, f"{variable.name}.grad"), variable)
