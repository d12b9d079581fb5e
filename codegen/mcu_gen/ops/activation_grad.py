"""Gradient of an activation function that is no clamp: dy times the slope.

The slope follows from the function's output for ``logistic`` (y (1 - y)), ``tanh`` (1 - y^2) and ``elu`` (1, below 0
y + 1), and from its input for ``leaky_relu``, ``hard_swish`` and ``gelu``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mcu_gen.graph import Node, TensorType, register
from mcu_gen.ops.gradient import Gradient, present

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _leaky_relu(node: Node, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, 1.0, float(np.float32(node.float_attr("alpha"))))


def _logistic(node: Node, y: np.ndarray) -> np.ndarray:
    del node
    slope: np.ndarray = y * (1 - y)
    return slope


def _tanh(node: Node, y: np.ndarray) -> np.ndarray:
    del node
    slope: np.ndarray = 1 - y * y
    return slope


def _elu(node: Node, y: np.ndarray) -> np.ndarray:
    del node
    return np.where(y < 0, y + 1, 1.0)


def _hard_swish(node: Node, x: np.ndarray) -> np.ndarray:
    """0 up to -3, 1 from 3 on."""
    del node
    return np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5))


def _gelu(node: Node, x: np.ndarray) -> np.ndarray:
    """P(X <= x) + x p(x) for a standard normal X, or the slope of the approximation with tanh."""
    slope: np.ndarray
    if node.bool_attr("approximate"):
        root = math.sqrt(2 / math.pi)
        tanh = np.tanh(root * (x + 0.044715 * x**3))
        slope = 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * root * (1 + 3 * 0.044715 * x * x)
    else:
        slope = 0.5 * _erfc(-x * math.sqrt(0.5)) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return slope


#: Slopes, of what the operator reads beside dy.
SLOPES: dict[str, Callable[[Node, np.ndarray], np.ndarray]] = {
    "leaky_relu": _leaky_relu,
    "logistic": _logistic,
    "tanh": _tanh,
    "elu": _elu,
    "hard_swish": _hard_swish,
    "gelu": _gelu,
}


@register
class ActivationGrad(Gradient):
    """dy, the function's output or input -> dx, all of one shape; the attribute ``activation`` names the function."""

    name = "activation_grad"
    halves = (0, 1)

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(node.x.shape, node.x.dtype)]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dy, seen = present(inputs, 0), present(inputs, 1).astype(np.float64)
        return [(dy * SLOPES[node.str_attr("activation")](node, seen)).astype(np.float32)]
