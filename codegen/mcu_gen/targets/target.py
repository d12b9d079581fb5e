"""What a board can do, read from its PlatformIO manifest in ``boards/`` (section ``mcu_gen``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Region:
    """A contiguous range of memory.  ``use`` is ``flash``, ``ram`` or ``harness`` (bulk data of emulated runs)."""

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
        features: what kernels may ask for: ``dsp`` (Armv7E-M/Armv8-M SIMD), ``mve``, ``mve_fp``, ``rvv``, ``zfh``, ``fma``
            (hardware single-precision fused multiply-add), ``fp16_storage``, ``fp16_native``, ``xfvec``.
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
