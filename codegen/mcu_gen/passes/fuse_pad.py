"""PAD into the convolution or pool behind it."""

from __future__ import annotations

from mcu_gen.graph import DType, Graph, Op
from mcu_gen.ops.pad import pad_widths
from mcu_gen.ops.spatial import explicit_padding
from mcu_gen.passes.rewrite import Uses, is_legal, same_type, with_ops

_CONVOLUTIONS = ("conv2d", "depthwise_conv2d")


def fuse_pad(graph: Graph) -> Graph:
    """Makes the border of a PAD the explicit padding of the operators that read it.

    Exact for convolutions: the border holds the real number 0, and so does a convolution's own padding.  A maximum pool
    ignores its padding, which is the same when no value can be below 0.  An average pool counts the border of a PAD
    and not its own padding, so it is left alone.  A PAD goes only when all its readers can take it over.
    """
    uses = Uses(graph)
    replaced: dict[str, Op] = {}
    gone: set[str] = set()
    for pad in graph.ops:
        if pad.type != "pad" or not uses.is_inner(pad.outputs[0]):
            continue
        border = _spatial_border(graph, pad)
        readers = uses.consumers.get(pad.outputs[0], [])
        if border is None or not readers:
            continue
        taken = [_absorb(graph, uses, pad, reader, border) for reader in readers]
        if all(op is not None for op in taken):
            gone.add(pad.name)
            replaced.update({op.name: op for op in taken if op is not None})
    return with_ops(graph, (replaced.get(op.name, op) for op in graph.ops if op.name not in gone))


def _spatial_border(graph: Graph, pad: Op) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of a PAD that pads an image's height and width only; else None."""
    node = graph.node(pad)
    if len(node.x.shape) != 4 or node.x.variable or not same_type(node.x, node.y):
        return None
    batch, (top, bottom), (left, right), channels = pad_widths(node)
    return (top, bottom, left, right) if batch == (0, 0) == channels else None


def _absorb(graph: Graph, uses: Uses, pad: Op, reader: Op, border: tuple[int, int, int, int]) -> Op | None:
    """``reader`` on the input of ``pad``, with the border as padding; None where that is not the same."""
    if reader.inputs.count(pad.outputs[0]) != 1 or reader.inputs[0] != pad.outputs[0]:
        return None
    if reader.type not in _CONVOLUTIONS and not (reader.type == "max_pool2d" and _never_negative(graph, uses, pad)):
        return None
    own = explicit_padding(graph.node(reader))
    total = tuple(a + b for a, b in zip(border, own, strict=True))
    new = reader.replace(
        inputs=(pad.inputs[0], *reader.inputs[1:]), attrs={**reader.attrs, "padding": "explicit", "pad": total}
    )
    return new if is_legal(graph.node(new)) else None


def _never_negative(graph: Graph, uses: Uses, pad: Op) -> bool:
    """Whether no element of the PAD's input can be below the real number 0."""
    x = graph.node(pad).x
    lowest = 0 if x.dtype is DType.UINT8 else -(1 << (8 * x.dtype.size - 1))
    if not x.dtype.is_float and x.zp == lowest:
        return True
    producer = uses.producer.get(x.name)
    if producer is None:
        return False
    return producer.type in ("relu", "relu6") or producer.attrs.get("activation") in ("relu", "relu6")
