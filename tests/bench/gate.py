"""Compares measured figures with the committed baseline: what grows by more than 2 % needs the baseline changed too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: What must not grow, and the smallest growth that counts: a few bytes of a small figure are no regression.
FIGURES = {"instructions": 0, "flash": 0, "arena": 0, "stack": 16}

#: The largest growth that passes, as a fraction.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Finding:
    """One figure that differs; ``failed`` when it grew beyond the tolerance or cannot be compared."""

    text: str
    failed: bool


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a row is about: model and board."""
    return str(row["model"]), str(row["board"])


def compare(rows: Iterable[Mapping[str, Any]], baseline: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Every figure of ``rows`` that differs from the baseline's row of the same model and board.

    Rows of another compiler, or of another version of it, cannot be compared, and rows that the baseline lacks are not
    guarded: both fail.
    """
    known = {key(row): row for row in baseline}
    findings = []
    for row in rows:
        where = " on ".join(key(row))
        before = known.get(key(row))
        if before is None:
            findings.append(Finding(f"{where}: not in the baseline", True))
        elif before["compiler"] != row["compiler"]:
            text = f"{where}: measured with {row['compiler']}, the baseline with {before['compiler']}"
            findings.append(Finding(text, True))
        else:
            findings += [f for name in FIGURES if (f := _figure(where, name, before[name], row[name])) is not None]
    return findings


def _figure(where: str, name: str, before: int, now: int) -> Finding | None:
    if now == before:
        return None
    change = f"{100 * (now - before) / before:+.2f} %" if before else "new"
    grew = now - before > max(TOLERANCE * before, FIGURES[name])
    return Finding(f"{where}: {name} {before:,} -> {now:,} ({change})", grew)
