"""What the work of a kernel costs: instructions per unit of work, measured on one core of every instruction set.

A kernel counts its work in units that its C shows (calls, blocks, taps, elements; :meth:`Kernel.work`).  The rates in
``rates.json`` are fitted to exact counts of the emulator by ``tests/bench/rates.py``: non-negative least squares of the
relative errors.  A float kernel on a core without floating-point hardware calls library functions instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mcu_gen.targets import Target

FILE = Path(__file__).with_name("rates.json")

#: Rates of one kernel: instructions by unit of work.
Rates = Mapping[str, float]

#: Instruction sets by the feature that tells them, and the emulated board on which each is measured.
MEASURED = {
    "mve": "mps3_an547",
    "dsp": "mps2_an386",
    "rvv": "rv32_virt_rvv",
    "": "rv32_virt",
}


def instruction_set(target: Target) -> str:
    """The key of :data:`MEASURED` whose rates hold for ``target``."""
    return next(feature for feature in MEASURED if not feature or feature in target.features)


@cache
def measured(key: str = "rates") -> Mapping[str, Mapping[str, Rates]]:
    """``rates``, or ``events`` per instruction (``tests/bench/mix.py``), by instruction set and kernel."""
    found: Mapping[str, Mapping[str, Rates]] = json.loads(FILE.read_text("utf-8")).get(key, {})
    return found


def rates_of(names: tuple[str, ...], target: Target) -> Rates | None:
    """Rates of the first kernel of ``names`` that was measured on the instruction set of ``target``, or else on another
    one; None where none was."""
    own = instruction_set(target)
    for isa in (own, *(i for i in MEASURED if i != own)):
        for name in names:
            if name in measured().get(isa, {}):
                return measured()[isa][name]
    return None


def events_of(names: tuple[str, ...], target: Target) -> Mapping[str, float] | None:
    """Events per instruction (:data:`mcu_gen.targets.EVENTS`) of the first kernel of ``names`` that has some on the
    instruction set of ``target``; None where none has."""
    of_set = measured("events").get(instruction_set(target), {})
    return next((of_set[name] for name in names if name in of_set), None)


def instructions(rates: Rates, work: Mapping[str, float]) -> int:
    """What ``work`` takes at ``rates``."""
    return round(sum(rates.get(unit, 0.0) * count for unit, count in work.items()))
