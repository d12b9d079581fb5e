"""What is rewritten before a graph is differentiated, so that fewer operators need a gradient rule.

No rewrite changes what is inferred, but for the order of additions in a transposed convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, Tensor
from mcu_gen.ops.split import split_axis
from mcu_gen.ops.unpack import unpack_axis
from mcu_gen.train.gradients import parameters


def prepared(graph: Graph) -> Graph:
    """``graph`` with an own tensor for every trained vector, and with one output for every operator that is cut up."""
    return _cut(_own_vectors(graph))


def _own_vectors(graph: Graph) -> Graph:
    """Equal biases, factors and offsets are one tensor in a model file, though they belong to different layers.

    Matrices and filters that are used twice are taken to be meant so.
    """
    out = graph.copy()
    for position, op in enumerate(out.ops):
        inputs = list(op.inputs)
        for index, kind in parameters(out.node(op)):
            name = inputs[index]
            if name is None or kind == "weight":
                continue
            if len(out.consumers(name)) > 1:
                own = out.tensors[name].replace(name=out.unique_name(f"{op.name}.{name}"))
                inputs[index] = out.add_tensor(own).name
        out.ops[position] = op.replace(inputs=tuple(inputs))
    return out.prune()


def _cut(graph: Graph) -> Graph:
    """SPLIT and UNPACK of real numbers as one SLICE for every output: gradients then come one by one."""
    out = graph.copy()
    out.ops = []
    for op in graph.ops:
        node = graph.node(op)
        if op.type not in ("split", "unpack") or node.x.dtype is not DType.FLOAT32:
            out.ops.append(op)
            continue
        axis = split_axis(node) if op.type == "split" else unpack_axis(node)
        length = node.y.shape[axis] if op.type == "split" else 1
        for i, y in enumerate(node.outputs):
            _add_slice(out, node, y, axis, i * length, length)
    return out.prune()


def _add_slice(out: Graph, node: Node, y: Tensor, axis: int, at: int, length: int) -> None:
    """Appends y = x[at : at + length] along an axis, which is dropped where y has one axis less."""
    rank = len(node.x.shape)
    begin = [at if a == axis else 0 for a in range(rank)]
    size = [length if a == axis else n for a, n in enumerate(node.x.shape)]
    inputs = [node.x.name]
    for what, values in (("begin", begin), ("size", size)):
        data = np.array(values, np.int32)
        inputs.append(
            out.add_tensor(Tensor(out.unique_name(f"{y.name}.{what}"), data.shape, DType.INT32, data=data)).name
        )
    if len(y.shape) == rank:
        out.ops.append(Op(y.name, "slice", tuple(inputs), (y.name,)))
        return
    part = out.add_tensor(Tensor(out.unique_name(f"{y.name}.part"), tuple(size), y.dtype)).name
    out.ops.append(Op(part, "slice", tuple(inputs), (part,)))
    out.ops.append(Op(y.name, "reshape", (part,), (y.name,), {"new_shape": y.shape}))


def transposed_convolutions(graph: Graph) -> Graph:
    """TRANSPOSE_CONV as the gradient of a convolution, which has a gradient itself, and the addition of the bias.

    The weights [OC, KH, KW, C] become those of that convolution, [C, KH, KW, OC], under the same name.
    """
    out = graph.copy()
    out.ops = []
    for op in graph.ops:
        node = graph.node(op)
        if op.type != "transpose_conv" or node.x.dtype is not DType.FLOAT32 or node.input(1).data is None:
            out.ops.append(op)
            continue
        w = node.input(1)
        assert w.data is not None
        data = np.ascontiguousarray(np.transpose(w.data, (3, 1, 2, 0)))
        out.tensors[w.name] = w.replace(shape=data.shape, data=data)
        out.ops += _scattered(out, node)
    return out


def _scattered(out: Graph, node: Node) -> Sequence[Op]:
    """The gradient of a convolution, then bias and activation where there are such."""
    y, activation = node.y, node.str_attr("activation")
    attrs = {k: node.attr(k) for k in ("stride_h", "stride_w", "padding")}
    attrs |= {"dilation_h": 1, "dilation_w": 1, "shape": y.shape}
    inputs = (node.x.name, node.input(1).name)
    finish: tuple[str, tuple[str, ...], dict[str, object]] | None = None
    if node.has_input(2):
        finish = ("add", (node.input(2).name,), {"activation": activation, "pot_scale_int16": False})
    elif activation != "none":
        finish = (activation, (), {})
    if finish is None:
        return [Op(node.name, "conv2d_grad_input", inputs, (y.name,), attrs)]
    name = out.unique_name(f"{y.name}.sums")
    out.add_tensor(Tensor(name, y.shape, y.dtype))
    type, more, options = finish
    return [
        Op(name, "conv2d_grad_input", inputs, (name,), attrs),
        Op(node.name, type, (name, *more), (y.name,), options),
    ]
