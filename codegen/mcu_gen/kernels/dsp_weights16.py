"""The int8 kernels for two 16-bit multiplications per instruction with weights that lie in flash as int16.

Twice the flash for weights, and nothing to widen in the inner loops: 16 instead of 19 instructions per 24
multiplications of a convolution, 15 instead of 18 per 8 of a depthwise one, 13 instead of 20 per 16 of a fully
connected layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from mcu_gen.kernels.contract import Kernel, kernel
from mcu_gen.kernels.dsp_conv import Conv2DPointwiseS8Dsp, Conv2DS8Dsp
from mcu_gen.kernels.dsp_depthwise import DepthwiseConv2DS8Dsp
from mcu_gen.kernels.dsp_fully_connected import FullyConnectedS8Dsp


class _Weights16(Kernel):
    """What the four have in common; the rest is that of the kernels over int8 weights."""

    expanded = True
    definitions = ("weights16",)
    elements: ClassVar[Mapping[str, str]] = {"x": "s8", "w": "s16"}


@kernel
class Conv2DPointwiseW16Dsp(_Weights16, Conv2DPointwiseS8Dsp):
    """1x1, stride 1."""

    name = "conv2d_pointwise_w16_dsp"
    template = "conv2d_pointwise_s8_dsp"


@kernel
class Conv2DW16Dsp(_Weights16, Conv2DS8Dsp):
    """Any window."""

    name = "conv2d_w16_dsp"
    template = "conv2d_s8_dsp"


@kernel
class DepthwiseConv2DW16Dsp(_Weights16, DepthwiseConv2DS8Dsp):
    """Any window; one filter per channel."""

    name = "depthwise_conv2d_w16_dsp"
    template = "depthwise_conv2d_s8_dsp"


@kernel
class FullyConnectedW16Dsp(_Weights16, FullyConnectedS8Dsp):
    """No scratch."""

    name = "fully_connected_w16_dsp"
    template = "fully_connected_s8_dsp"
