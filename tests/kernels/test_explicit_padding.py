"""Convolutions with a padding of their own on every side, as PAD leaves it behind when it is fused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen.passes import run_passes
from support.tflite_builder import ModelBuilder
from support.three_way import Case, host_builds, prepare, run_generated_c

_PADS = [(1, 1, 1, 1), (0, 1, 0, 1), (2, 0, 0, 3), (4, 5, 3, 0), (0, 0, 2, 1)]


def padded_convolution(pad: tuple[int, int, int, int], *, depthwise: bool, dtype: str, stride: int) -> bytes:
    """PAD, then a 3x3 convolution without padding."""
    rng = np.random.default_rng(5)
    h, w, c, channels = 6, 5, 3, 3 if depthwise else 4
    ph, pw = h + pad[0] + pad[1], w + pad[2] + pad[3]
    quant: dict[str, Any] = {} if dtype == "float32" else {"scale": 0.05, "zero_point": 9}
    b = ModelBuilder().tensor("x", (1, h, w, c), dtype, **quant).tensor("padded", (1, ph, pw, c), dtype, **quant)
    b.tensor("paddings", (4, 2), "int32", data=[[0, 0], pad[:2], pad[2:], [0, 0]])
    b.op("PAD", ["x", "paddings"], ["padded"])
    shape = (1, 3, 3, channels) if depthwise else (channels, 3, 3, c)
    y = (1, (ph - 3) // stride + 1, (pw - 3) // stride + 1, channels)
    if dtype == "float32":
        b.tensor("w", shape, dtype, data=rng.normal(size=shape)).tensor(
            "b", (channels,), dtype, data=rng.normal(size=channels)
        )
    else:
        b.tensor("w", shape, "int8", scale=0.01, data=rng.integers(-127, 128, shape))
        b.tensor("b", (channels,), "int32", scale=0.05 * 0.01, data=rng.integers(-3000, 3000, channels))
    b.tensor("y", y, dtype, **({} if dtype == "float32" else {"scale": 0.2, "zero_point": -3}))
    options = {
        "padding": "valid",
        "stride_h": stride,
        "stride_w": stride,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
    }
    if depthwise:
        options["depth_multiplier"] = 1
    b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", ["padded", "w", "b"], ["y"], options=options)
    return b.inputs(["x"]).outputs(["y"]).build()


@pytest.mark.parametrize("depthwise", [False, True])
def test_padding_on_every_side(depthwise: bool, tmp_path: Path) -> None:
    cases = [
        Case(
            f"{dtype} {pad} stride {stride}",
            partial(padded_convolution, pad, depthwise=depthwise, dtype=dtype, stride=stride),
        )
        for dtype in ("int8", "float32")
        for pad in _PADS
        for stride in (1, 2)
    ]
    ready, failures = prepare(cases, run_passes)
    assert not failures, failures
    for p in ready:
        (node,) = p.graph.nodes()
        assert node.str_attr("padding") in ("explicit", "same"), p.case.name
    builds, failures = host_builds(ready)
    assert not failures
    failures = run_generated_c(tmp_path, builds)
    assert not failures, "\n".join(f"{case}: {text}" for case, text in failures.items())
