"""What the kernels with channels along long vectors share (RISC-V V): layout of weights, scaling."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.contract import Array, Value
from mcu_gen.ops import weights

#: Channels that are computed before any is stored on the smallest machine (VLEN 128, eight registers of 32-bit sums);
#: with longer vectors more, which lets an output overlap no less.
LANES = 32


def too_low(rows: np.ndarray) -> str | None:
    """Why two products of these weights do not fit into 16 bits; None when they do."""
    return "a weight of -128" if bool((rows == -128).any()) else None


def channels_last(rows: np.ndarray) -> Array:
    """Filters [OC, K] as [K, OC]."""
    return Array(np.ascontiguousarray(rows.T), "weights")


def scaling(node: Node) -> dict[str, Value]:
    """Fields of ``mg_lanes_scaling``."""
    multiplier, shift = weights.channel_multipliers(node)
    low, high = weights.output_range(node)
    right = np.where(multiplier == 0, 1, -shift).astype(np.uint16)  # the shift of a multiplier 0 is free
    return {
        "multiplier": Array(multiplier, "multiplier"),
        "shift": Array(right, "shift"),
        "output_zero_point": node.y.zp,
        "low": low,
        "high": high,
    }


def vectors(channels: int) -> int:
    """Vectors of the smallest machine."""
    return -(-channels // LANES)
