"""How strided copies are brought into loops: merged axes, contiguous runs, and how far output and input may overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcu_gen.ops.movement import View

#: Copies of more runs are planned without overlap: no board holds them, and looking at every run takes memory here.
MAX_RUNS = 1 << 21


@dataclass(frozen=True)
class Loops:
    """A view as nested loops over runs of bytes that are contiguous in input and output.

    ``dims`` and ``strides`` (bytes in the input) go from the outermost loop to the innermost; there is at least one.
    """

    offset: int
    dims: tuple[int, ...]
    strides: tuple[int, ...]
    run: int

    def starts(self) -> np.ndarray:
        """Byte in the input at which each run starts, in the order of the output; flat int64 array."""
        return View(self.offset, self.dims, self.strides).indices().reshape(-1)

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return math.prod(self.dims)

    @property
    def is_identity(self) -> bool:
        """The bytes stay in their order, from the first one on."""
        return self.offset == 0 and self.dims == (1,)


def loops(view: View, element_bytes: int) -> Loops:
    """``view`` with as few loops and as long runs as possible: axes of length 1 go, axes that follow on merge."""
    merged: list[tuple[int, int]] = []  # (length, stride), outermost first
    for n, stride in zip(view.shape, view.strides, strict=True):
        if n == 1:
            continue
        if merged and merged[-1][1] == n * stride:
            merged[-1] = (merged[-1][0] * n, stride)
        else:
            merged.append((n, stride))
    run = 1
    if merged and merged[-1][1] == 1:
        run = merged.pop()[0]
    merged = merged or [(1, 0)]
    return Loops(
        view.offset * element_bytes,
        tuple(n for n, _ in merged),
        tuple(stride * element_bytes for _, stride in merged),
        run * element_bytes,
    )


def sequential_lead(starts: np.ndarray, run: int) -> int:
    """How far below its input the output of a copy must start when it is written front to back.

    ``starts[i]`` is the byte of the input from which the i-th run of ``run`` bytes is read; run i is written to
    ``i * run`` at once (``memmove``).  When run i is read, ``i * run`` bytes have been written, and nothing
    from here on may lie in them.
    """
    still_needed = np.minimum.accumulate(starts[::-1])[::-1]
    return max(0, int((np.arange(starts.size, dtype=np.int64) * run - still_needed).max(initial=0)))
