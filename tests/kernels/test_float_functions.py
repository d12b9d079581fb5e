"""exp, tanh and logistic of ``firmware/simd/scalar.h`` against double precision, and the conversions beside them."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from mcu_gen.resources import resource_dir

_SOURCE = """
#include "scalar.h"
#define MAP(name, from, to, expression) \\
    void name(const from *x, to *y, unsigned n) { for (unsigned i = 0; i < n; i++) y[i] = expression; }
MAP(exp_f32, float, float, mg_expf(x[i]))
MAP(tanh_f32, float, float, mg_tanhf(x[i]))
MAP(logistic_f32, float, float, mg_logisticf(x[i]))
MAP(from_f16, uint16_t, float, mg_f32_from_f16(x[i]))
MAP(round_clamp, float, int32_t, mg_round_clamp_f32(x[i], -70000, 70000))
"""

#: Largest distance that the header states, units in the last place.
BOUNDS: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "exp_f32": (1.0, np.exp),
    "tanh_f32": (1.5, np.tanh),
    "logistic_f32": (2.5, lambda x: 1 / (1 + np.exp(-x))),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions.c").write_text(_SOURCE)
    command = [
        "cc",
        "-std=c99",
        "-O2",
        "-ffp-contract=off",
        "-shared",
        "-fPIC",
        f"-I{resource_dir('firmware') / 'simd'}",
    ]
    subprocess.run([*command, "functions.c", "-lm", "-o", "functions.so"], cwd=folder, check=True, timeout=120)
    return ctypes.CDLL(str(folder / "functions.so"))


def call(library: ctypes.CDLL, name: str, x: np.ndarray, dtype: type) -> np.ndarray:
    y = np.empty(x.shape, dtype)
    getattr(library, name)(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint(x.size))
    return y


def floats(step: int) -> np.ndarray:
    """Every ``step``-th finite float32, of both signs."""
    x = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", BOUNDS)
def test_error_is_within_the_stated_bound(name: str, library: ctypes.CDLL) -> None:
    bound, exact = BOUNDS[name]
    x = np.concatenate([floats(2749), np.linspace(-20, 20, 400_001, dtype=np.float32)])
    with np.errstate(over="ignore"):
        want = exact(x.astype(np.float64))
    got = call(library, name, x, np.float32).astype(np.float64)
    # one unit in the last place of the true value; subnormals all have the same
    unit = np.exp2(np.maximum(np.frexp(want)[1], -125) - 24.0)
    representable = want < float(np.finfo(np.float32).max)
    assert np.isinf(got[~representable]).all()
    distance = np.abs(got[representable] - want[representable])
    assert (distance <= bound * unit[representable]).all()


def test_special_values(library: ctypes.CDLL) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1e-45, -1e-45], np.float32)
    with np.errstate(invalid="ignore"):
        for name, want in (
            ("exp_f32", [np.nan, np.inf, 0, 1, 1, 1]),
            ("tanh_f32", [np.nan, 1, -1, 0, 1e-45, -1e-45]),
            ("logistic_f32", [np.nan, 1, 0, 0.5, 0.5, 0.5]),
        ):
            np.testing.assert_array_equal(call(library, name, x, np.float32), np.array(want, np.float32))


def test_every_half_converts_exactly(library: ctypes.CDLL) -> None:
    codes = np.arange(65536).astype(np.uint16)
    np.testing.assert_array_equal(
        call(library, "from_f16", codes, np.float32), codes.view(np.float16).astype(np.float32)
    )


def test_rounding_is_away_from_zero_and_saturates(library: ctypes.CDLL) -> None:
    halves = (np.arange(-200, 200) * 0.5).astype(np.float32)
    near = np.concatenate([halves, np.nextafter(halves, np.float32(-1e9)), np.nextafter(halves, np.float32(1e9))])
    want = np.trunc(near.astype(np.float64) + np.copysign(0.5, near)).astype(np.int32)
    np.testing.assert_array_equal(call(library, "round_clamp", near, np.int32), want)
    beyond = np.array([70000.4, -70000.4, 70001, 1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)
    ends = [70000, -70000, 70000, 70000, -70000, 70000, -70000, -70000]
    np.testing.assert_array_equal(call(library, "round_clamp", beyond, np.int32), ends)
