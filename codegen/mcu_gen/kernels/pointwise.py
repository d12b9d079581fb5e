"""int8 matrix product on cores with two 16-bit multiplications per instruction: CONV_2D with 1x1 filters."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.common import MAX_ELEMENTS, constant, folded_bias, padded_columns, raster_lead, scaling_fields
from mcu_gen.kernels.contract import Array, Call, In, Kernel, Out, Scratch, Tiling, Value, kernel
from mcu_gen.ops import spatial, weights
from mcu_gen.targets import Target

#: Pixels that are widened and multiplied together.
PIXELS = 2


@kernel
class Conv2DPointwiseS8Dsp(Kernel):
    """Two pixels by two channels at a time: the pixels are widened to int16 in scratch, weights stay int8 in flash."""

    name = "conv2d_pointwise_s8_dsp"
    ops = ("conv2d",)
    features = ("dsp",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        if node.x.dtype is not DType.INT8:
            return f"input is {node.x.dtype.value}"
        if node.input(1).shape[3] != node.x.shape[3]:
            return "convolution in groups"
        if any((a.taps, a.stride, a.before, a.after) != (1, 1, 0, 0) for a in spatial.geometry(node)):
            return "not 1x1 with stride 1 and without padding"
        return None

    def scratch(self, node: Node, target: Target) -> int:
        del target
        return PIXELS * 2 * padded(node.x.shape[3])

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Pixels are read in pairs before the outputs of the pair are written."""
        del target
        if node.y.elements > MAX_ELEMENTS:
            return {}
        depth, channels = node.x.shape[3], node.y.shape[3]
        pixels = node.x.elements // depth
        full = pixels // PIXELS  # a last single pixel is written after everything has been read
        starts = np.arange(full + pixels % PIXELS, dtype=np.int64) * (PIXELS * depth)
        return {(0, 0): raster_lead(starts, PIXELS * channels)}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        return Tiling("run", "pixels")

    def cost(self, node: Node, target: Target) -> int:
        del target
        return 2 * operator(node.type).macs(node) + 30 * node.y.elements + 2 * node.x.elements

    def call(self, node: Node, target: Target) -> Call:
        del target
        w = constant(node.input(1)).reshape(node.y.shape[3], -1)
        own: dict[str, Value] = {
            "pixels": node.x.elements // node.x.shape[3],
            "depth": node.x.shape[3],
            "padded_depth": padded(node.x.shape[3]),
            "out_c": node.y.shape[3],
            "weights": Array(padded_columns(w, 4), "weights"),
            "bias": Array(folded_bias(w, weights.bias_of(node), node.x.zp), "bias"),
        }
        return Call(own | scaling_fields(node), (In(0), Out(0), Scratch()))


def padded(depth: int) -> int:
    """Length of a row that the micro-kernel multiplies."""
    return -(-depth // 4) * 4
