"""Random models of the convolution family: shapes, scales and zero points that no table would think of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ops.cases_fully_connected import fully_connected
from ops.cases_mean import mean
from support.images import convolution, pool
from support.three_way import Case

_ACTIVATIONS = ("none", "none", "relu", "relu6", "relu_n1_to_1")


class _Draw:
    """Draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def scale(self, low: float, high: float) -> float:
        """A scale, sometimes a power of two or a small ratio."""
        plain = float(np.exp(self.rng.uniform(np.log(low), np.log(high))))
        return float(
            np.float32(self.pick(plain, plain, 2.0 ** round(np.log2(plain)), self.between(1, 9) / self.between(1, 9)))
        )

    def zero_point(self) -> int:
        return self.pick(0, -128, 127, self.between(-128, 127))


def _quantization(d: _Draw, depth: int) -> dict[str, Any]:
    x, w = d.scale(1e-3, 1.0), d.scale(1e-3, 0.1)
    y = x * w * 64 * d.scale(0.05, 2.0) * float(np.sqrt(depth)) * 4
    return {
        "x_scale": x,
        "w_scale": w if d.pick(True, False) else None,
        "y_scale": y,
        "x_zero_point": d.zero_point(),
        "y_zero_point": d.zero_point(),
        "seed": d.between(0, 1 << 30),
        "activation": d.pick(*_ACTIVATIONS),
        "per_channel": d.pick(True, False),
    }


def _window(d: _Draw) -> dict[str, Any]:
    return {
        "filter": (d.between(1, 4), d.between(1, 4)),
        "stride": (d.between(1, 3), d.between(1, 3)),
        "padding": "same",
        "dtype": d.pick("int8", "int8", "int8", "int16"),
    }


def _one(d: _Draw) -> tuple[str, Callable[[], bytes]]:
    kind = d.pick("conv", "depthwise", "dense", "pool", "mean")
    image = (d.pick(1, 1, 2), d.between(1, 8), d.between(1, 8))
    if kind == "conv":
        depth, groups = d.between(1, 6), d.pick(1, 1, 2, 3)
        o = _window(d) | {"dilation": (d.pick(1, 1, 2), d.pick(1, 1, 3))}
        if o["dtype"] == "int16" and d.pick(True, False):
            o["bias_dtype"] = "int32"
        o |= _quantization(d, depth * o["filter"][0] * o["filter"][1])
        o |= {"x": (*image, depth * groups), "filter_c": depth, "channels": groups * d.between(1, 5)}
        return kind, partial(convolution, **o)
    if kind == "depthwise":
        depth = d.between(1, 6)
        o = _window(d) | {"dilation": (d.pick(1, 1, 2), d.pick(1, 1, 3)), "bias": d.pick(True, False)}
        o |= _quantization(d, o["filter"][0] * o["filter"][1])
        return kind, partial(convolution, depthwise=True, x=(*image, depth), channels=depth * d.between(1, 3), **o)
    if kind == "dense":
        depth = d.between(1, 80)
        o = _quantization(d, depth) | {"dtype": d.pick("int8", "int8", "int16"), "bias": d.pick(True, True, False)}
        return kind, partial(fully_connected, x=(d.between(1, 3), depth), channels=d.between(1, 12), **o)
    if kind == "pool":
        o = _window(d) | {
            "activation": d.pick(*_ACTIVATIONS),
            "scale": d.scale(1e-3, 1.0),
            "zero_point": d.zero_point(),
        }
        return kind, partial(pool, d.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"), x=(*image, d.between(1, 5)), **o)
    shape = tuple(d.between(1, 6) for _ in range(d.between(1, 5)))
    axes = tuple(a for a in range(len(shape)) if d.pick(True, False)) or (-1,)
    quants = {f"{t}_quant": (d.scale(1e-3, 1.0), d.zero_point()) for t in "xy"}
    return kind, partial(mean, shape, axes, keep_dims=d.pick(True, False), dtype=d.pick("int8", "int16"), **quants)


def random_cases(seed: int, count: int) -> list[Case]:
    """``count`` cases that depend on the seed only."""
    cases = []
    for n in range(count):
        kind, build = _one(_Draw(seed * 100_003 + n))
        arguments = {k: v for k, v in build.keywords.items() if k != "seed"}  # type: ignore[attr-defined]
        cases.append(Case(f"{seed}/{n} {kind} {build.args} {arguments}", build))  # type: ignore[attr-defined]
    return cases
