"""How weights that are halves are written: rounded to nearest, or up or down at random.

With ``w -= rate * gradient`` in halves a change below half a unit in the last place of w vanishes.  Rounded up with a
probability that is the part of the unit that would be cut off, it survives on average (stochastic rounding, Gupta et
al. 2015, section 4).  Every element takes 13 bits of a hash of the generator's state and its index, so the result does
not depend on the order in which elements are written.  What is beyond the largest half becomes the largest half.
"""

from __future__ import annotations

import numpy as np

#: The largest finite half.
LARGEST = 65504.0

#: Distance of the states of two updates, and of two elements: 2^32 divided by the golden ratio.
GOLDEN = 0x9E3779B9

ROUNDINGS = ("none", "nearest", "stochastic")


def hashed(x: np.ndarray) -> np.ndarray:
    """A bijection of 32-bit numbers whose bits depend on all bits of the argument (C. Wellons, lowbias32); uint32."""
    x = x.astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    mixed: np.ndarray = x ^ (x >> np.uint32(16))
    return mixed


def next_state(seed: np.ndarray) -> np.ndarray:
    """The state of the generator for the next update; int32 [1]."""
    return hashed(seed.view(np.uint32) + np.uint32(GOLDEN)).view(np.int32)


def rounded(value: np.ndarray, rounding: str, seed: np.ndarray | None) -> np.ndarray:
    """Float32 numbers that are halves (``none``: any float32), from float32 numbers.

    Args:
        value: float32, of any shape, finite.
        rounding: one of :data:`ROUNDINGS`.
        seed: int32 [1], the generator's state, for ``stochastic``.
    """
    if rounding == "none":
        return value
    value = np.clip(value, np.float32(-LARGEST), np.float32(LARGEST))
    if rounding == "nearest":
        return value.astype(np.float16).astype(np.float32)
    assert seed is not None
    index = np.arange(value.size, dtype=np.uint32).reshape(value.shape)
    bits = hashed(seed.view(np.uint32) + index * np.uint32(GOLDEN)) >> np.uint32(19)
    magnitude = np.abs(value)
    # units in the last place, exactly: a power of two times the value, plus a 13-bit fraction, cut off
    _, exponent = np.frexp(magnitude)
    unit = np.exp2(np.maximum(exponent.astype(np.float64) - 11, -24))
    whole = np.floor(magnitude.astype(np.float64) / unit + bits / 8192.0) * unit
    up: np.ndarray = np.copysign(np.minimum(whole, LARGEST), value).astype(np.float32)
    return up
