"""What the gradient rules share."""

from __future__ import annotations

from typing import Any

from mcu_gen.graph import Node

_WINDOW = ("stride_h", "stride_w", "dilation_h", "dilation_w", "padding", "pad", "filter_h", "filter_w")


def name_of(node: Node, index: int) -> str:
    """What the gradient of input ``index`` is called."""
    return f"{node.input(index).name}.grad"


def window(node: Node) -> dict[str, Any]:
    """Attributes of a sliding window."""
    return {name: node.op.attrs[name] for name in _WINDOW if name in node.op.attrs}
