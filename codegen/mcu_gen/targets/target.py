"""What a board can do, read from its PlatformIO manifest in ``boards/`` (section ``mcu_gen``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Every feature that a manifest may name (meanings: see :class:`Target`).
FEATURES = ("dsp", "mve", "mve_fp", "rvv", "zfh", "fma", "fp16_storage", "fp16_native", "xfvec")
FP16_MODES = ("storage", "scalar", "simd", "software")
REGION_USES = ("flash", "ram", "harness", "store")

#: Where drivers of flash memory are, in ``firmware/hal``.
FLASH_DRIVERS = "flash/"


@dataclass(frozen=True)
class Region:
    """A contiguous range of memory.

    ``use`` is ``flash``, ``ram``, ``harness`` (bulk data of emulated runs) or ``store`` (weights that survive a power
    loss; it may be the end of the flash, which a firmware that learns leaves free).
    """

    name: str
    base: int
    size: int
    use: str


@dataclass(frozen=True)
class Target:
    """A board: instruction-set features, memory regions, tools.

    Attributes:
        name: board name, the stem of its manifest.
        title: what people call it.
        mcu, cpu: chip and core.
        features: what kernels may ask for: ``dsp`` (Armv7E-M/Armv8-M SIMD), ``mve``, ``mve_fp``, ``rvv``, ``zfh``,
            ``fma`` (hardware single-precision fused multiply-add), ``fp16_storage``, ``fp16_native``, ``xfvec``.
        simd: SIMD headers in ``firmware/simd`` beyond ``scalar.h``, in the order in which they are included.
        fp16: ``storage``, ``scalar``, ``simd`` or ``software``: what a half is on this core.
        regions: memory regions in order of preference.
        stack_bytes: the reserved stack.
        emulators: per emulator (``qemu``, ``renode``) its own settings.
        manifest: the whole board manifest.
    """

    name: str
    title: str = ""
    mcu: str = ""
    cpu: str = ""
    features: frozenset[str] = frozenset()
    simd: tuple[str, ...] = ()
    fp16: str = "software"
    regions: tuple[Region, ...] = ()
    stack_bytes: int = 1024
    emulators: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def region(self, use: str) -> Region:
        """The preferred region for ``use``."""
        return next(r for r in self.regions if r.use == use)

    @property
    def ram_bytes(self) -> int:
        """Bytes of the preferred RAM region (one contiguous bank: an arena does not span two)."""
        return self.region("ram").size

    @property
    def flash_bytes(self) -> int:
        return self.region("flash").size

    def program_flash(self, learns: bool = False) -> Region:
        """The preferred flash region, for a firmware that learns without what it keeps for its weights at the end."""
        flash, store = self.region("flash"), self.region_or_none("store")
        if not learns or store is None or not flash.base < store.base < flash.base + flash.size:
            return flash
        return Region(flash.name, flash.base, store.base - flash.base, flash.use)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Section ``mcu_gen`` of the manifest; empty for a target that has none (made by hand in a test)."""
        section: Mapping[str, Any] = self.manifest.get("mcu_gen", {})
        return section

    def region_or_none(self, use: str) -> Region | None:
        """The preferred region for ``use``, or None when the board has none."""
        return next((r for r in self.regions if r.use == use), None)

    def instructions(self, ticks: int, emulator: str = "qemu") -> int:
        """Instructions that ``ticks`` ticks of ``hal_ticks()`` mean under the emulator's instruction counter.

        The tick is at most half an instruction long, so rounding to the nearest makes the count exact.
        """
        numerator, denominator = self.emulators[emulator]["instructions_per_tick"]
        return int((2 * ticks * numerator + denominator) // (2 * denominator))
