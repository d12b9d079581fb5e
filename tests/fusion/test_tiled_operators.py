"""Operators on maps run on tiles with the kernels of the library, int8 and float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fusion.networks import Network
from mcu_gen.graph import DType, QuantParams
from mcu_gen.kernels import select
from mcu_gen.plan.liveness import program
from mcu_gen.plan.stretch import Stretch
from mcu_gen.targets import load_target
from support.fused import HOST


def constant(n: Network, *values: object) -> str:
    return n.constant("c", np.array(values, np.int32))


def box(n: Network, x: str, stride: int) -> str:
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    bounds = [constant(n, 0, 1, 2, 0), constant(n, 1, 8, 9, 3), constant(n, 1, stride, 1, 1)]
    return n.op("strided_slice", [x, *bounds], offset=False, **masks)


def resized(n: Network, x: str, kind: str) -> str:
    quant = n.graph.tensors[x].quant
    return n.op(kind, [x, constant(n, 11, 17)], quant, align_corners=False, half_pixel_centers=True)


def beside(n: Network, x: str, axis: int) -> str:
    return n.op("concatenation", [x, n.op("relu", [x])], n.graph.tensors[x].quant, axis=axis, activation="none")


def probabilities(n: Network, x: str, kind: str, zero_point: int = -128, attrs: bool = False) -> str:
    quant = QuantParams.per_tensor(1 / 256, zero_point) if n.dtype is DType.INT8 else None
    return n.op(kind, [x], quant, **({"beta": 1.0} if attrs else {}))


TILED: dict[str, Callable[[Network, str], str]] = {
    "conv2d": lambda n, x: n.conv(x, 5, 3, 2),
    "depthwise_conv2d": lambda n, x: n.depthwise(x),
    "transpose_conv": lambda n, x: n.transpose_conv(x, 4, (3, 2), (2, 2)),
    "average_pool2d": lambda n, x: n.window("average_pool2d", x, k=3),
    "max_pool2d": lambda n, x: n.window("max_pool2d", x, k=3, stride=2),
    "resize_bilinear": lambda n, x: resized(n, x, "resize_bilinear"),
    "resize_nearest_neighbor": lambda n, x: resized(n, x, "resize_nearest_neighbor"),
    "pad": lambda n, x: n.op("pad", [x, n.constant("p", np.array([[0, 0], [1, 2], [0, 3], [1, 0]], np.int32))]),
    "slice": lambda n, x: n.op("slice", [x, constant(n, 0, 2, 1, 1), constant(n, 1, 4, 5, 2)]),
    "strided_slice": lambda n, x: box(n, x, 2),
    "concatenation of channels": lambda n, x: beside(n, x, 3),
    "concatenation of rows": lambda n, x: beside(n, x, 1),
    "concatenation of columns": lambda n, x: beside(n, x, 2),
    "add": lambda n, x: n.add(x, n.op("relu", [x])),
    "relu": lambda n, x: n.op("relu", [x]),
    "logistic": lambda n, x: probabilities(n, x, "logistic"),
    "fully_connected, pixel by pixel": lambda n, x: n.dense(x, 5, pixelwise=True),
    "fully_connected": lambda n, x: n.dense(x, 5),
    "mean": lambda n, x: n.op("mean", [x, constant(n, 1, 2)], keep_dims=True),
    "softmax": lambda n, x: probabilities(n, x, "softmax", attrs=True),
}


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@pytest.mark.parametrize("kind", TILED)
def test_tiled(kind: str, dtype: DType) -> None:
    n = Network(dtype)
    graph = n.outputs(TILED[kind](n, n.input("x", 9, 10, 3)))
    prog = program(graph, [select(node, HOST) for node in graph.nodes()], HOST)
    stretch = Stretch(graph, prog, HOST, range(len(prog.tasks)))
    assert [site.reason for site in stretch.sites] == [None] * len(stretch)


@pytest.mark.parametrize("board", ["mps2_an386", "mps3_an547", "rv32_virt", "rv32_virt_rvv"])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_a_segment_can_end_in_what_reduces_a_map(dtype: DType, board: str) -> None:
    """Even where another kernel, cheaper on whole maps, has windows that could be tiled."""
    target = load_target(board)
    n = Network(dtype)
    x = n.conv(n.input("x", 9, 10, 3), 5, 3, 1)
    pooled = n.window("average_pool2d", x, kh=9, kw=10, padding="valid")
    graph = n.outputs(pooled, n.op("mean", [x, constant(n, 1, 2)], keep_dims=True))
    prog = program(graph, [select(node, target) for node in graph.nodes()], target)
    stretch = Stretch(graph, prog, target, range(len(prog.tasks)))
    for site in stretch.sites[1:]:
        tiling = site.tile.kernel.tiling(site.tile.node, target)
        assert tiling is not None
        assert tiling.kind == "reduce"
