"""Finds templates, firmware and boards, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """The folder ``templates``, ``firmware`` or ``boards``.

    In a wheel they lie inside the package (``mcu_gen/_data/NAME``), in a checkout at the top level.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"mcu_gen is installed without its folder {name!r}")
