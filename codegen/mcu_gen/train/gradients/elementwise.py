"""Gradients of the operators that compute element by element, from two inputs that broadcast or from one."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import add, mul, name_of, scaled, sub, summed_to, update_factor, update_offset
from mcu_gen.train.gradients.rules import Parameter, rule


def _of_channels(node: Node) -> list[int]:
    """Inputs that are constants with one number for each of several channels, beside an input that is computed."""
    channels = node.y.shape[-1] if node.y.shape else 1
    tensors = [node.input(0), node.input(1)]
    return [
        i
        for i, t in enumerate(tensors)
        if t.is_constant
        and not tensors[1 - i].is_constant
        and t.elements == channels > 1
        and t.shape[-1] == channels
        and t.dtype.is_float
    ]


def _factors(node: Node) -> Sequence[Parameter]:
    return [Parameter(i, "factor") for i in _of_channels(node)]


def _offsets(node: Node) -> Sequence[Parameter]:
    return [Parameter(i, "bias") for i in _of_channels(node)]


def _to_input(b: Builder, node: Node, index: int, dy: str) -> str:
    """The gradient of the output's shape, summed where input ``index`` was repeated."""
    return summed_to(b, dy, node.input(index).shape, name_of(node, index))


@rule("add", parameters=_offsets)
def _add(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {i: _to_input(b, node, i, dy) for i in sorted(wanted)}
    for i in (0, 1):
        if node.input(i).variable:
            update_offset(b, dy, node.input(i))
    return found


@rule("sub", parameters=_offsets)
def _sub(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    def part(index: int) -> str:
        found = _to_input(b, node, index, dy)
        return b.one("neg", [found], name_of(node, index)) if index == 1 else found

    found = {i: part(i) for i in sorted(wanted)}
    if node.input(0).variable:
        update_offset(b, dy, node.input(0))
    if node.input(1).variable:
        update_offset(b, part(1), node.input(1))
    return found


@rule("mul", parameters=_factors)
def _mul(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    found = {}
    for i in sorted(wanted):
        found[i] = _to_input(b, node, i, mul(b, dy, node.input(1 - i).name, name_of(node, i)))
    for i in (0, 1):
        if node.input(i).variable:
            update_factor(b, dy, node.input(1 - i).name, node.input(i))
    return found


@rule("squared_difference")
def _squared_difference(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    name = f"{node.y.name}.grad"
    difference = sub(b, node.x.name, node.input(1).name, name)
    both = mul(b, scaled(b, dy, 2, name), difference, name)
    found = {i: _to_input(b, node, i, both) for i in sorted(wanted)}
    if 1 in found:
        found[1] = b.one("neg", [found[1]], name_of(node, 1))
    return found


@rule("maximum", "minimum")
def _extremum(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """The input that was taken gets all of it, the first one where they are equal, as in TensorFlow."""
    first, second = (1, 0) if node.type == "maximum" else (0, 1)
    name = f"{node.y.name}.grad"
    ahead = sub(b, node.input(first).name, node.input(second).name, name)  # above 0 where the second input is taken
    to_second = b.one("clamp_grad", [dy, ahead], name, activation="relu")
    found = {}
    if 0 in wanted:
        found[0] = _to_input(b, node, 0, sub(b, dy, to_second, name))
    if 1 in wanted:
        found[1] = _to_input(b, node, 1, to_second)
    return found


@rule("neg")
def _neg(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("neg", [dy], name_of(node, 0))}


@rule("square")
def _square(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    name = name_of(node, 0)
    return {0: mul(b, scaled(b, dy, 2, name), node.x.name, name)}


@rule("rsqrt")
def _rsqrt(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """-y^3 / 2."""
    del wanted
    name, y = name_of(node, 0), node.y.name
    cube = mul(b, b.one("square", [y], name), y, name)
    return {0: mul(b, scaled(b, dy, -0.5, name), cube, name)}


@rule("prelu", parameters=lambda node: [Parameter(1, "factor")])
def _prelu(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """What lies below 0 passes times alpha, and its product with x is what alpha gets."""
    name, x, alpha = name_of(node, 0), node.x, node.input(1)
    above = b.one("clamp_grad", [dy, x.name], name, activation="relu")
    below = sub(b, dy, above, name)
    found = {}
    if 0 in wanted:
        found[0] = add(b, above, mul(b, below, alpha.name, name), name)
    if alpha.variable:
        update_factor(b, below, x.name, alpha)
    return found
