"""Chains of operators that move no data, or move it twice, become one."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Graph, Op, Tensor
from mcu_gen.ops.movement import constant_argument
from mcu_gen.ops.transpose import transpose_view
from mcu_gen.passes.remove_identities import keeps_order
from mcu_gen.passes.rewrite import Uses, is_legal, same_type, with_ops

#: Operators that give the same bytes another shape.
RESHAPES = ("reshape", "squeeze", "expand_dims")


def transposes_to_reshapes(graph: Graph) -> Graph:
    """Makes a TRANSPOSE that moves only axes of length 1 a RESHAPE: no element changes its place."""
    ops = []
    for op in graph.ops:
        if op.type == "transpose" and keeps_order(transpose_view(graph.node(op))):
            op = _reshape(graph, op, op.inputs[0])
        ops.append(op)
    return with_ops(graph, ops)


def merge_reshapes(graph: Graph) -> Graph:
    """Makes RESHAPE, SQUEEZE and EXPAND_DIMS behind one another a single RESHAPE of the first one's input."""
    out = graph.copy()
    for i, op in enumerate(out.ops):
        if op.type not in RESHAPES or op.inputs[0] is None:
            continue
        before = Uses(out).producer.get(op.inputs[0])
        if before is None or before.type not in RESHAPES or before.inputs[0] is None:
            continue
        if any(out.tensors[n].variable for n in (op.inputs[0], before.inputs[0])):
            continue
        out.ops[i] = _reshape(out, op, before.inputs[0])
    return out


def merge_transposes(graph: Graph) -> Graph:
    """Makes two TRANSPOSEs behind one another a single one."""
    out = graph.copy()
    for i, op in enumerate(out.ops):
        before = Uses(out).producer.get(op.inputs[0] or "") if op.type == "transpose" else None
        if before is None or before.type != "transpose":
            continue
        first, second = out.node(before), out.node(op)
        if first.x.variable or second.x.variable or not same_type(first.x, second.x):
            continue
        rank = len(first.x.shape)
        inner = [int(a) % rank for a in constant_argument(first, 1, "permutation")]
        order = np.array([inner[int(a) % rank] for a in constant_argument(second, 1, "permutation")], np.int32)
        order.flags.writeable = False
        name = out.unique_name(f"{op.name}_order")
        out.add_tensor(Tensor(name, (rank,), DType.INT32, None, order))
        merged = op.replace(inputs=(before.inputs[0], name))
        if is_legal(out.node(merged)):
            out.ops[i] = merged
    return out


def _reshape(graph: Graph, op: Op, source: str | None) -> Op:
    """A RESHAPE from ``source`` to the output of ``op``, in its place."""
    shape = graph.tensors[op.outputs[0]].shape
    return op.replace(type="reshape", inputs=(source,), attrs={"new_shape": shape})
