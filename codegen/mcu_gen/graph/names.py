"""What people call a layer or a tensor."""

from __future__ import annotations

from collections.abc import Iterable


def called(name: str, names: Iterable[str]) -> list[str]:
    """Which of ``names`` somebody means by ``name``: itself, else what begins with it or, as screens shorten, ends so.

    Converters join the names of fused operators with ``;`` and nest scopes with ``/``; screens show the first of the
    joined names, and of its scopes the last ones that fit, behind ``…`` where they cut within one.
    """
    known = list(dict.fromkeys(names))
    if name in known:
        return [name]
    firsts = {n: n.split(";")[0] for n in known}
    same = [n for n, first in firsts.items() if first == name]
    if same or not name:
        return same
    end = name.removeprefix("…")
    return [n for n, first in firsts.items() if (first.endswith(end) if end != name else first.endswith("/" + name))]


def plain(names: Iterable[str]) -> str:
    """Names as a hint lists them: the first of those that a converter joined, each once."""
    return ", ".join(dict.fromkeys(n.split(";")[0] for n in names))
