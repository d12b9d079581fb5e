"""Gradients of products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

from mcu_gen.graph import Node
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of, reshape, summed_to
from mcu_gen.train.gradients.rules import Parameter, rule


def _matrix(node: Node) -> Sequence[Parameter]:
    """A second factor that is one constant matrix is the weights of a layer."""
    w = node.input(1)
    plain = w.is_constant and len(w.shape) == 2 and not node.x.is_constant and not node.bool_attr("adj_x")
    return [Parameter(1, "weight")] if plain else []


@rule("batch_matmul", parameters=_matrix)
def _batch_matmul(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """With y = A B: dA = dy B^T and dB = A^T dy; a transposed factor has the transposed gradient."""
    x, w = node.x.name, node.input(1).name
    adj_x, adj_y = node.bool_attr("adj_x"), node.bool_attr("adj_y")
    products = {
        (0, False): ((dy, w), False, not adj_y),
        (0, True): ((w, dy), adj_y, True),
        (1, False): ((x, dy), not adj_x, False),
        (1, True): ((dy, x), True, adj_x),
    }
    found = {}
    for i in sorted(wanted):
        factors, first, second = products[i, (adj_x, adj_y)[i]]
        product = b.one("batch_matmul", factors, name_of(node, i), adj_x=first, adj_y=second)
        found[i] = summed_to(b, product, node.input(i).shape, name_of(node, i))
    if node.input(1).variable:
        _update_matrix(b, node, dy)
    return found


def _update_matrix(b: Builder, node: Node, dy: str) -> None:
    """The weights [N, K] of a fully connected layer are this matrix transposed, or with adj_y the matrix itself."""
    w = node.input(1)
    rows = [reshape(b, t, (-1, b.tensor(t).shape[-1]), f"{w.name}.grad") for t in (dy, node.x.name)]
    b.update("fully_connected_update", rows if node.bool_attr("adj_y") else rows[::-1], w.name)
