"""Names of layers and tensors, short enough for a table."""

from __future__ import annotations


def short_name(name: str, width: int = 32) -> str:
    """A name of at most ``width`` characters that still tells layers apart.

    Converters join the names of fused operators with ``;`` and nest scopes with ``/``: the first of the fused
    operators is kept, and of its scopes the last ones that fit.
    """
    if name.startswith("layer "):  # as plans name a step
        return "layer " + short_name(name.removeprefix("layer "), width)
    first = name.split(";")[0] or name
    parts = first.split("/")
    while len(parts) > 2 and len("/".join(parts)) > width:
        parts = parts[1:]
    text = "/".join(parts)
    if len(text) <= width:
        return text
    # The last part often says the operator only (Relu, BiasAdd): keep the end of what tells layers apart as well.
    return "…" + text[-(width - 1) :]
