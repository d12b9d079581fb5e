"""FULLY_CONNECTED beyond the table of cases: weights with a zero point, and the exact scaling factors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor, QuantParams
from mcu_gen.kernels.fully_connected import exact_factor
from mcu_gen.run.oracle import OracleError, OracleJob, run_litert_many
from ops.cases_fully_connected import fully_connected
from support.three_way import Case, Prepared, compare, host_builds, random_samples, run_generated_c


def test_weights_with_a_zero_point(tmp_path: Path) -> None:
    """Three ways, with the zero point put into the graph after the import."""
    prepared, jobs = [], []
    for dtype in ("int8", "int16"):
        for zero_point in (9, -128):
            for bias in (True, False):
                model = fully_connected(dtype=dtype, bias=bias, x=(3, 21))
                graph = load_tflite(model, "case")
                quant = QuantParams.per_tensor(0.01, zero_point)
                graph.tensors["w"] = graph.tensors["w"].replace(quant=quant)
                case = Case(f"{dtype} {zero_point} {bias}", lambda model=model: model)  # type: ignore[misc]
                samples = random_samples(graph, case.name)
                out = [Executor(graph).run({"x": x[0]}) for x in samples]
                prepared.append(Prepared(case, graph, samples, computed=[[o["y"]] for o in out]))
                shifted = fully_connected(dtype=dtype, bias=bias, x=(3, 21), w_zero_point=zero_point)
                jobs.append(OracleJob(shifted, samples))
    for p, result in zip(prepared, run_litert_many(jobs), strict=True):
        assert not isinstance(result, OracleError), result
        p.expected = result.outputs
        assert not compare(p.expected, p.computed, 0.0), p.case.name
    builds, failures = host_builds(prepared)
    assert not failures
    assert not run_generated_c(tmp_path, builds)


def requant_away(x: int, m: int, shift: int) -> int:
    """``mg_requant_away`` of firmware/simd/scalar.h, without its saturation."""
    product = (abs(x) * m) >> 32
    rounded = ((product >> (shift - 1)) + 1) >> 1
    return rounded if x >= 0 else -rounded


def reference(x: int, scale: float) -> int:
    """round() of C on a double product."""
    value = float(x) * scale
    whole = math.trunc(value)
    return whole + (int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else 0)


_SCALES = st.one_of(
    st.floats(1e-9, 8.0),
    st.builds(lambda a, b: a / b, st.integers(1, 60), st.integers(1, 60)),
    st.builds(lambda a, b: float(np.float32(a)) / float(np.float32(b)), st.floats(1e-6, 1.0), st.floats(1e-3, 10.0)),
)


@settings(max_examples=400, deadline=None)
@given(_SCALES, st.integers(0, 255), st.integers(-2, 2))
def test_exact_factor_at_the_ties(scale: float, t: int, near: int) -> None:
    """Around the sums whose products lie next to a tie t + 1/2, integers give what doubles give."""
    m, shift = exact_factor(scale, 256)
    x = min(max(round((t + 0.5) / scale) + near, 0), 2**31 - 1)
    for signed in (x, -x):
        if abs(reference(signed, scale)) <= 256:
            assert requant_away(signed, m, shift) == reference(signed, scale)


def test_factors_that_need_lifting() -> None:
    """1/6 as a double is too small: 3/6 must round to 1 all the same."""
    for denominator in (6, 12, 14, 22, 28, 44, 56, 60):
        scale = 1.0 / denominator
        m, shift = exact_factor(scale, 256)
        for x in range(-denominator * 250, denominator * 250):
            assert requant_away(x, m, shift) == reference(x, scale), (x, denominator)
