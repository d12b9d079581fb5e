"""Clamps that never act go, and what is computed twice is computed once; nothing else, and no bit changes."""

from __future__ import annotations

import numpy as np
import pytest

from mcu_gen.passes import run_passes
from mcu_gen.passes.remove_clamps import remove_clamps
from mcu_gen.passes.share_equal import share_equal
from passes.test_passes import Chain, becomes

IMAGE = (1, 5, 5, 2)


@pytest.mark.parametrize(
    ("builtin", "scale", "zero_point", "goes"),
    [
        ("RELU", 0.1, -128, True),  # no code lies below the real number 0
        ("RELU", 0.1, -127, False),
        ("RELU6", 6 / 255, -128, True),  # and none above 6
        ("RELU6", 0.1, -128, False),
        ("RELU_N1_TO_1", 1 / 128, 0, True),  # -1 to 127/128
        ("RELU_N1_TO_1", 1 / 127, 0, False),  # -128/127 is below -1
    ],
)
def test_clamps_of_everything_that_can_occur_go(builtin: str, scale: float, zero_point: int, goes: bool) -> None:
    c = Chain(IMAGE, scale=scale, zero_point=zero_point)
    options = {"padding": "same", "stride_h": 1, "stride_w": 1, "filter_height": 2, "filter_width": 2}
    x = c.op("MAX_POOL_2D", c.inputs[0], shape=IMAGE, options=options, scale=scale, zero_point=zero_point)
    y = c.op(builtin, x, shape=IMAGE, scale=scale, zero_point=zero_point)
    c.op("ADD", y, y, shape=IMAGE)
    becomes(c.graph(), remove_clamps, "max_pool2d", *([] if goes else [builtin.lower()]), "add")


def test_a_clamp_behind_a_clamp_goes() -> None:
    """Both readers see the first one, so it cannot be fused; the second one knows its range."""
    c = Chain(IMAGE)
    first = c.op("RELU", c.inputs[0], shape=IMAGE)
    second = c.op("RELU", first, shape=IMAGE)
    c.op("ADD", first, second, shape=IMAGE)
    becomes(c.graph(), remove_clamps, "relu", "add")


def test_a_clamp_that_changes_the_scale_stays() -> None:
    c = Chain(IMAGE, zero_point=-128)
    c.op("ADD", c.op("RELU", c.inputs[0], shape=IMAGE, scale=0.2, zero_point=-128), c.inputs[0], shape=IMAGE)
    becomes(c.graph(), remove_clamps, "relu", "add")


def test_a_clamp_between_input_and_output_stays() -> None:
    c = Chain(IMAGE, zero_point=-128)
    c.op("RELU", c.inputs[0], shape=IMAGE, zero_point=-128)
    becomes(c.graph(), remove_clamps, "relu")


def test_equal_branches_are_computed_once() -> None:
    """Down to their constants, which are two tensors of one content."""
    c = Chain((1, 6, 6, 2))
    branches = [c.op("RELU6", c.conv(c.inputs[0], (1, 4, 4, 3), 2), shape=(1, 4, 4, 3)) for _ in range(3)]
    total = c.op("ADD", branches[0], branches[1], shape=(1, 4, 4, 3))
    c.op("SUB", total, branches[2], shape=(1, 4, 4, 3))
    becomes(c.graph(), share_equal, "conv2d", "relu6", "add", "sub")


@pytest.mark.parametrize("difference", ["attribute", "constant", "scale", "output"])
def test_almost_equal_operators_stay(difference: str) -> None:
    c = Chain((1, 4))
    added = [c.constant([[1, 2, 3, 4]], "int8", scale=0.1, zero_point=-20) for _ in range(2)]
    if difference == "constant":
        added[1] = c.constant([[1, 2, 3, 5]], "int8", scale=0.1, zero_point=-20)
    sums = []
    for i in range(2):
        fused = "relu" if difference == "attribute" and i else "none"
        scale = 0.2 if difference == "scale" and i else 0.1
        options = {"fused_activation_function": fused}
        sums.append(c.op("ADD", c.inputs[0], added[i], shape=(1, 4), options=options, scale=scale))
    last = c.op("MUL", *sums, shape=(1, 4))
    graph = c.graph(*sums, last) if difference == "output" else c.graph()
    becomes(graph, share_equal, "add", "add", "mul")


def test_state_is_not_shared() -> None:
    c = Chain((1, 4))
    c.b.tensor("state", (1, 4), "int8", scale=0.1, zero_point=-20, variable=True)
    old = c.op("ADD", c.inputs[0], "state", shape=(1, 4))
    c.b.op("QUANTIZE", [old], ["state"])
    new = c.op("ADD", c.inputs[0], "state", shape=(1, 4))
    c.op("SUB", old, new, shape=(1, 4))
    becomes(c.graph(), share_equal, "add", "quantize", "add", "sub")


def test_all_passes_together() -> None:
    c = Chain(IMAGE, zero_point=-128)
    sums = [c.op("ADD", c.inputs[0], c.inputs[0], shape=IMAGE, zero_point=-128) for _ in range(2)]
    one, two = (c.op("RELU", x, shape=IMAGE, zero_point=-128) for x in sums)
    c.op("SUB", one, two, shape=IMAGE)
    after = becomes(c.graph(), run_passes, "add", "sub")
    assert after.ops[1].inputs == (after.ops[0].outputs[0],) * 2
    assert np.unique([op.name for op in after.ops]).size == 2
