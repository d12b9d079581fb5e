"""Elementwise, activation, softmax and quantization operators at random scales and zero points: NumPy = LiteRT.

A hypothesis example is a batch of models, because LiteRT runs in a child process; the shapes are small, the 8-bit ones
hold every code.  The case tables show that the generated C agrees as well.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import DType, Node, Op, QuantParams, Tensor, operator
from mcu_gen.kernels.elementwise import broadcast_loop
from mcu_gen.ops.fixed_point_functions import exp_on_negative_values, one_over_one_plus
from mcu_gen.ops.sigmoid_s16 import sigmoid_table
from support.elementwise import ALL_INT8, ALL_UINT8, binary, unary
from support.tflite_builder import ModelBuilder
from support.three_way import Case, prepare

_BATCH = 16
_SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def scales(low: float, high: float) -> st.SearchStrategy[float]:
    """float32 scales, logarithmic, between 10**low and 10**high; powers of two as well."""
    spread = st.floats(low, high).map(lambda e: float(np.float32(10.0**e)))
    exact = st.integers(int(np.ceil(low * 3.33)), int(np.floor(high * 3.32))).map(lambda e: 2.0**e)
    return st.one_of(spread, spread, exact)


def zero_points(dtype: str) -> st.SearchStrategy[int]:
    low, high = (0, 255) if dtype == "uint8" else (-128, 127)
    return st.one_of(st.sampled_from((low, high, (low + high + 1) // 2)), st.integers(low, high))


def agree(cases: list[Case]) -> None:
    """Loads, computes and compares; what is refused is left out, but most must be supported."""
    kept = []
    for case in cases:
        try:
            load_tflite(case.build(), "case")
        except UnsupportedModelError:
            continue
        kept.append(case)
    assert 2 * len(kept) >= len(cases), "most random models are refused"
    _, failures = prepare(kept)
    assert not failures, "\n".join(f"{name}: {text}" for name, text in failures.items())


def _codes(dtype: str) -> Any:
    return {"int8": [[ALL_INT8]], "uint8": [[ALL_UINT8]]}.get(dtype)


@st.composite
def unary_cases(draw: st.DrawFn) -> list[Case]:
    cases = []
    for n in range(_BATCH):
        op = draw(st.sampled_from(("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH")))
        dtype = draw(st.sampled_from(("int8", "int8", "int16")))
        if op in ("RELU_N1_TO_1", "HARD_SWISH"):
            dtype = "int8"
        wide = dtype == "int16"
        x_scale = draw(scales(-6, -2) if wide else scales(-4, 1))
        y_scale, y_zero_point = draw(scales(-6, -2) if wide else scales(-3, 1)), draw(zero_points(dtype))
        if op == "LOGISTIC" or (op == "TANH" and wide):
            y_scale, y_zero_point = (1 / 32768, 0) if wide else (1 / 256, y_zero_point)
        if op == "HARD_SWISH":
            y_scale = max(y_scale, x_scale / 100)
        alpha = float(np.float32(draw(st.floats(-2, 2))))
        build = partial(
            unary,
            op,
            (256,),
            dtype,
            x_scale,
            draw(zero_points(dtype)),
            y_scale,
            y_zero_point,
            options={"alpha": alpha} if op == "LEAKY_RELU" else None,
        )
        cases.append(Case(f"{n} {op} {build.args} {alpha}", build, _codes(dtype)))
    return cases


@st.composite
def quantize_cases(draw: st.DrawFn) -> list[Case]:
    pairs = [("float32", t) for t in ("int8", "uint8", "int16")]
    pairs += [(a, b) for a in ("int8", "uint8") for b in ("int8", "uint8", "int16")]
    pairs += [("int16", "int8"), ("int16", "int16"), ("int16", "int32"), ("int32", "int8"), ("int32", "int16")]
    cases = []
    for n in range(_BATCH):
        a, b = draw(st.sampled_from(pairs))
        x_scale = draw(scales(-10, -6) if a == "int32" else scales(-4, 1))
        args = (x_scale, draw(zero_points(a)), draw(scales(-4, 1)), draw(zero_points(b)), b)
        cases.append(Case(f"{n} {a} {args}", partial(unary, "QUANTIZE", (256,), a, *args), _codes(a)))
    return cases


@st.composite
def softmax_cases(draw: st.DrawFn) -> list[Case]:
    cases = []
    for n in range(_BATCH):
        dtype, to = draw(st.sampled_from((("int8", "int8"), ("int8", "int16"), ("int16", "int16"))))
        beta = float(np.float32(draw(st.floats(0.05, 20))))
        x_scale = draw(scales(-6, 0) if dtype == "int16" else scales(-5, 1.5))
        y_scale, y_zero_point = (1 / 256, -128) if to == "int8" else (1 / 32768, 0)
        shape = (2, draw(st.integers(1, 400)))
        args = (shape, dtype, x_scale, draw(zero_points("int8")), y_scale, y_zero_point, to)
        cases.append(Case(f"{n} {args} {beta}", partial(unary, "SOFTMAX", *args, options={"beta": beta})))
    return cases


@st.composite
def binary_cases(draw: st.DrawFn) -> list[Case]:
    cases = []
    for n in range(_BATCH):
        op = draw(st.sampled_from(("ADD", "SUB", "MUL")))
        dtype = draw(st.sampled_from(("int8", "int8", "int16")))
        rank = draw(st.integers(1, 5))
        shape = draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank))
        shapes = [[1 if draw(st.booleans()) and draw(st.booleans()) else d for d in shape] for _ in (0, 1)]
        shapes[draw(st.integers(0, 1))] = shape
        wide = dtype == "int16"
        triple = [draw(scales(-6, -2) if wide else scales(-3, 1)) for _ in range(3)]
        if op == "MUL":
            triple[2] = float(np.float32(triple[0] * triple[1] * 10 ** draw(st.floats(-0.5, 5))))
        more = {} if op == "MUL" else {"pot_scale_int16": draw(st.booleans())}
        build = partial(
            binary,
            op,
            shapes,
            dtype,
            triple,
            [draw(zero_points(dtype)) for _ in range(3)],
            draw(st.sampled_from(("none", "none", "relu", "relu6", "relu_n1_to_1"))),
            draw(st.sampled_from((None, None, 0, 1))),
            seed=n,
            **more,
        )
        cases.append(Case(f"{n} {build.args} {more}", build))
    return cases


@given(unary_cases())
@_SETTINGS
def test_activations_agree_with_litert(cases: list[Case]) -> None:
    agree(cases)


@given(quantize_cases())
@_SETTINGS
def test_quantize_agrees_with_litert(cases: list[Case]) -> None:
    agree(cases)


@given(softmax_cases())
@_SETTINGS
def test_softmax_agrees_with_litert(cases: list[Case]) -> None:
    agree(cases)


@given(binary_cases())
@_SETTINGS
def test_sums_and_products_agree_with_litert(cases: list[Case]) -> None:
    agree(cases)


@pytest.mark.parametrize(("dtype", "axis"), [("int8", 0), ("int8", 1), ("uint8", 1)])
def test_dequantize_of_weights_with_a_scale_per_channel(dtype: str, axis: int) -> None:
    """Constants alone have that: models store weights in 8 bits; constant folding leaves no operator of it."""
    shape = (3, 4)
    n = shape[axis]
    data = np.arange(12).reshape(shape).astype(dtype)

    def build() -> bytes:
        b = ModelBuilder()
        zero_point = 0 if dtype == "int8" else np.arange(n)
        b.tensor("w", shape, dtype, scale=np.geomspace(1e-3, 3, n), zero_point=zero_point, axis=axis, data=data)
        b.tensor("v", shape, "float32").tensor("x", shape, "float32").tensor("y", shape, "float32")
        b.op("DEQUANTIZE", ["w"], ["v"]).op("ADD", ["x", "v"], ["y"])
        return b.inputs(["x"]).outputs(["y"]).build()

    _, failures = prepare([Case("weights", build, [[np.zeros(shape, np.float32)]], tolerance=0.0)])
    assert not failures


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_broadcast_loop_visits_what_numpy_broadcasts(data: st.DataObject) -> None:
    """The merged loop, executed in Python, reads the elements that NumPy pairs, and counts at most five dimensions."""
    shape = data.draw(st.lists(st.integers(1, 3), max_size=6))
    a, b = (
        tuple(1 if data.draw(st.booleans()) else d for d in shape[data.draw(st.integers(0, len(shape))) :])
        for _ in "ab"
    )
    loop = broadcast_loop(a, b)
    assert len(loop.dims) <= 5
    read: list[list[int]] = [[], []]
    for index in np.ndindex(*loop.dims):
        for which in (0, 1):
            start = sum(i * s for i, s in zip(index, loop.strides[which], strict=True))
            read[which] += [start + i * loop.steps[which] for i in range(loop.inner)]
    numbers = [np.arange(int(np.prod(s)), dtype=np.int64).reshape(s) for s in (a, b)]
    for which, expected in enumerate(np.broadcast_arrays(*numbers)):
        assert read[which] == expected.reshape(-1).tolist()


def test_fixed_point_functions_are_close_to_the_real_ones() -> None:
    x = -np.geomspace(1, 2**31 - 1, 4000).astype(np.int64)
    assert np.abs(exp_on_negative_values(x) / 2.0**31 - np.exp(x / 2.0**26)).max() < 1e-6
    assert exp_on_negative_values(np.array([0]))[0] == 2**31 - 1
    y = np.linspace(0, 2**31 - 1, 4001).astype(np.int64)
    assert np.abs(one_over_one_plus(y) / 2.0**31 - 1 / (1 + y / 2.0**31)).max() < 1e-7
    assert np.abs(sigmoid_table() / 65536.0 - 1 / (1 + np.exp(-np.arange(256) / 24))).max() < 2e-5


REFUSED: dict[str, tuple[partial[bytes], str]] = {
    "shapes": (partial(binary, "ADD", ((2, 7, 3, 1, 1, 1, 1), (3, 1, 1, 1, 2))), "rank of at most 6"),
    "activation": (partial(binary, "MUL", activation="tanh"), "the fused activation is none"),
    "fine output": (partial(binary, "ADD", scales=(1.0, 1.0, 1e-7)), "2^19 in int8"),
    "shifts": (
        partial(binary, "ADD", dtype="int16", scales=(2**-4, 2**-4, 2**-8), pot_scale_int16=True),
        "one input scale is the output's",
    ),
    "shifts of broadcasts": (
        partial(binary, "ADD", ((3, 4), (4,)), "int16", (2**-4, 2**-4, 2**-4), pot_scale_int16=True),
        "both inputs have the same shape",
    ),
    "product": (partial(binary, "MUL", scales=(1e6, 1e6, 1e-6)), "below 2^30"),
    "bound": (partial(binary, "MUL", scales=(1e-6, 1e-6, 1e-9), activation="relu6"), "below 2^31"),
    "logistic scale": (partial(unary, "LOGISTIC", y_scale=1 / 255), "the output scale is 1/256"),
    "int16 logistic scale": (partial(unary, "LOGISTIC", dtype="int16", y_scale=1 / 30000), "1/32768"),
    "softmax scale": (partial(unary, "SOFTMAX", options={"beta": 1.0}), "scale 1/256 and zero point -128"),
    "softmax beta": (
        partial(unary, "SOFTMAX", y_scale=1 / 256, y_zero_point=-128, options={"beta": 0.0}),
        "above 2^-26",
    ),
    "softmax depth": (
        partial(unary, "SOFTMAX", (5000,), y_scale=1 / 256, y_zero_point=-128, options={"beta": 1.0}),
        "at most 4095",
    ),
    "hard swish": (partial(unary, "HARD_SWISH", x_scale=1.0, y_scale=1e-3), "input scale / 128"),
    "conversion": (
        partial(unary, "QUANTIZE", dtype="int32", y_dtype="uint8", y_zero_point=0),
        "int32 to int8 or int16",
    ),
    "scales": (partial(unary, "RELU", x_scale=1e6, y_scale=1e-6), "below 2^30"),
    "alpha": (partial(unary, "LEAKY_RELU", options={"alpha": 1e20}), "alpha times input scale"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_rule(name: str) -> None:
    build, text = REFUSED[name]
    with pytest.raises(UnsupportedModelError) as caught:
        load_tflite(build(), "case")
    assert any(text in reason for reason in caught.value.reasons), caught.value.reasons


OPERATORS = (
    *("add", "sub", "mul", "relu", "relu6", "relu_n1_to_1", "leaky_relu", "logistic", "tanh", "hard_swish"),
    *("softmax", "quantize", "dequantize"),
)


@pytest.mark.parametrize("name", OPERATORS)
def test_rules_give_a_verdict_on_any_types_and_scales(name: str) -> None:
    """All rules are asked even where an earlier one has failed: none may assume that another holds."""
    per_channel = QuantParams(np.array([0.1, 0.2], np.float32), np.array([0, 1]), 0)
    quants = (
        None,
        QuantParams.per_tensor(0.1, 3),
        QuantParams.per_tensor(1e-30),
        QuantParams.per_tensor(0.0),
        per_channel,
    )
    attrs = {"activation": "relu6", "pot_scale_int16": True, "beta": 1.0, "alpha": 0.1}
    impl = operator(name)
    for x_type, y_type, x_quant, y_quant in itertools.product(impl.dtypes, DType, quants, quants):
        for shape in ((2, 3), ()):
            x = Tensor("x", shape, x_type, x_quant)
            inputs = (x, Tensor("x1", shape, x_type, y_quant)) if name in ("add", "sub", "mul") else (x,)
            op = Op("op", name, tuple(t.name for t in inputs), ("y",), attrs)
            node = Node(op, inputs, (Tensor("y", shape, y_type, y_quant),))
            for rule in impl.constraints:
                ok, observed = rule(node)
                assert ok or observed
