"""Gradients of pools."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.ops.mean import axes_of
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients.common import name_of, window
from mcu_gen.train.gradients.rules import rule


@rule("average_pool2d")
def _average_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("average_pool2d_grad", [dy], name_of(node, 0), shape=node.x.shape, **window(node))}


@rule("max_pool2d")
def _max_pool2d(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    del wanted
    return {0: b.one("max_pool2d_grad", [dy, node.x.name], name_of(node, 0), **window(node))}


def _averages_maps(node: Node) -> str | None:
    if len(node.x.shape) == 4 and axes_of(node) == (1, 2):
        return None
    return f"the mean is over the axes {list(axes_of(node))} of {list(node.x.shape)}, supported are height and width"


@rule("mean", limit=_averages_maps)
def _mean(b: Builder, node: Node, dy: str, wanted: frozenset[int]) -> dict[int, str]:
    """The mean over height and width is an average pool with a window as large as the map."""
    del wanted
    n, h, w, c = node.x.shape
    dy = b.one("reshape", [dy], f"{node.y.name}.grad", new_shape=(n, 1, 1, c))
    whole = {"stride_h": 1, "stride_w": 1, "padding": "valid", "filter_h": h, "filter_w": w}
    return {0: b.one("average_pool2d_grad", [dy], name_of(node, 0), shape=node.x.shape, **whole)}
