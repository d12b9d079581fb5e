"""Cycles of cores whose makers publish timings: what executed instructions take beyond one cycle each.

Memory without wait states, no interrupts.  What depends on data or on the alignment of code is taken in the middle of
its published range, so a number of cycles made of this is an estimate and never a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcu_gen.targets.target import Target

#: Events that are counted per kernel and instruction set: taken branches; single loads and stores that follow no other
#: one; registers of multiple loads and stores; divisions; float32 fused multiply-adds, divisions and square roots;
#: cycles in which an instruction waits for the result of one before.
EVENTS = ("taken", "memory", "word", "divide", "float multiply-add", "float divide", "stall")

#: Instruction sets (by the feature that tells them) of the cores below.
TIMED = ("dsp", "")


@dataclass(frozen=True)
class Timing:
    """Extra cycles per event, and where they are published."""

    source: str
    extra: Mapping[str, float]

    def cycles(self, instructions: float, events: Mapping[str, float]) -> float:
        """Cycles of ``instructions`` with so many ``events`` per instruction."""
        return instructions * (1.0 + sum(self.extra.get(event, 0.0) * n for event, n in events.items()))


_E31 = Timing(
    "SiFive FE310-G000 manual, 3.3 (E31: result latencies; branches predicted)", {"stall": 1.0, "divide": 16.0}
)

#: By the name of the core, or of the chip, in a board's manifest.
TIMINGS: Mapping[str, Timing] = {
    "cortex-m4": Timing(
        "Arm Cortex-M4 Processor Technical Reference Manual (100166), 3.3.1",
        # branches refill the pipeline in 1 to 3 cycles; divisions take 2 to 12
        {"taken": 2.0, "memory": 1.0, "word": 1.0, "divide": 6.0, "float multiply-add": 2.0, "float divide": 13.0},
    ),
    "fe310-g002": _E31,
}


def timing_of(target: Target) -> Timing | None:
    """The published timings of a target's core; None where its maker publishes none."""
    return TIMINGS.get(target.cpu) or TIMINGS.get(target.mcu)
