"""No-op removal: operators whose output is their input."""

from __future__ import annotations

from mcu_gen.graph import Graph, Node, Op, Tensor
from mcu_gen.ops.movement import View, row_major_strides
from mcu_gen.ops.strided_slice import strided_slice_view
from mcu_gen.ops.transpose import transpose_view
from mcu_gen.passes.rewrite import Uses, renamed, same_type, with_ops

#: Operators that are no-ops whenever shape, type and quantization stay the same.
_BY_SHAPE = ("reshape", "squeeze", "expand_dims", "pad", "slice", "broadcast_to", "quantize")


def remove_identities(graph: Graph) -> Graph:
    """Removes operators that change neither shape nor elements nor their meaning.

    RESHAPE, SQUEEZE and EXPAND_DIMS to the same shape; TRANSPOSE, SLICE and STRIDED_SLICE that take everything in
    order; PAD by nothing; CONCATENATION of one tensor; a 1x1 MAX_POOL_2D; QUANTIZE to the same parameters; and a
    QUANTIZE that undoes a DEQUANTIZE.
    """
    for op in graph.ops:
        # Removing one operator changes the neighbours of others, so every step looks at the graph as it is now.
        if op.name in {o.name for o in graph.ops}:
            current = next(o for o in graph.ops if o.name == op.name)
            x = _equal_input(graph.node(current), Uses(graph))
            graph = graph if x is None else bypassed(graph, current, x)
    return graph


def keeps_order(view: View) -> bool:
    """Whether the elements of a view are those of its source in the same order, from the first on."""
    packed = row_major_strides(view.shape)
    return view.offset == 0 and all(
        n == 1 or have == want for n, have, want in zip(view.shape, view.strides, packed, strict=True)
    )


def bypassed(graph: Graph, op: Op, x: Tensor) -> Graph:
    """``graph`` without ``op``, whose output equals the tensor ``x``; as it is where the operator must stay."""
    uses = Uses(graph)
    y = graph.tensors[op.outputs[0]]
    # A copy of state is taken at a certain time, so variables keep their copies.
    if x.variable or y.variable:
        return graph
    rest = [o for o in graph.ops if o is not op]
    if y.name not in graph.outputs:
        return with_ops(graph, (renamed(o, {y.name: x.name}) for o in rest))
    if uses.is_inner(x.name):
        return with_ops(graph, (renamed(o, {x.name: y.name}) for o in rest))
    return graph  # both are places that the caller knows


def _equal_input(node: Node, uses: Uses) -> Tensor | None:
    """The tensor that the output of ``node`` equals element for element, or None."""
    if not node.inputs or node.inputs[0] is None:
        return None
    x, y = node.x, node.y
    if node.type == "quantize" and x.name in uses.producer and uses.producer[x.name].type == "dequantize":
        x = uses.graph.node(uses.producer[x.name]).x
        if not _survives_float(x):
            return None
    if x.shape != y.shape or not same_type(x, y):
        return None
    if node.type in _BY_SHAPE or (node.type == "concatenation" and len(node.inputs) == 1):
        return x
    if node.type == "transpose" and keeps_order(transpose_view(node)):
        return x
    if node.type == "strided_slice" and keeps_order(strided_slice_view(node)):
        return x
    if node.type == "max_pool2d" and node.attr("activation") == "none":
        sizes = [node.int_attr(k) for k in ("filter_h", "filter_w", "stride_h", "stride_w")]
        return x if sizes == [1, 1, 1, 1] else None
    return None


def _survives_float(x: Tensor) -> bool:
    """Whether every code comes back after scale * (q - zero point) / scale in float32.

    Two roundings err by 2**-23 of at most 2**16 steps, far below the half step at which the result would change; only
    scales whose products leave the normal range of float32 do not.
    """
    return not x.dtype.is_float and x.dtype.size <= 2 and x.quant is not None and 1e-30 < x.s < 1e30
