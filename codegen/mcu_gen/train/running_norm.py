"""Turns what a converter left of a batch normalization into one whose statistics follow the stream.

A batch normalization that could not be folded into a convolution is a MUL and an ADD by constants of the channels in a
model file.  On a device that sees one sample at a time its statistics can go on running (Chiley et al. 2019, "Online
normalization for training neural networks").
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, Tensor
from mcu_gen.train.gradients import parameters
from mcu_gen.train.select import scales_input

#: Share of the statistics that a step keeps.
MOMENTUM = 0.99

#: Added to the variance; a power of two, so that 1 - EPSILON and its sum with it are exact.
EPSILON = 2.0**-10

#: Operators between a normalization's RSQRT and its factor.
_BETWEEN = ("add", "sub", "mul")


def with_running_norms(graph: Graph, *, momentum: float = MOMENTUM) -> Graph:
    """``graph`` with a ``batch_norm`` for every pair of a MUL and an ADD or SUB by float32 constants of channels.

    Its statistics are a constant that training makes a variable.  The mean begins as 0 and variance + epsilon as 1, so
    the function stays as it is until they move.  Pairs that scale the network's input, or that end a normalization
    which the network computes itself (a layer norm), stay.

    Args:
        graph: before differentiation.
        momentum: share of the statistics that a step keeps, in [0, 1).
    """
    out = graph.copy()
    out.ops = []
    scaling = scales_input(graph)
    replaced: dict[str, Op] = {}  # the MULs that wait for their second half, by their output
    for op in graph.ops:
        node = graph.node(op)
        half = next((replaced[n] for n in op.inputs if n in replaced), None)
        if half is not None:
            out.ops.append(_joined(out, graph.node(half), node, momentum))
        elif op.name not in scaling and _is_first_half(graph, node):
            replaced[node.y.name] = op
        else:
            out.ops.append(op)
    return out.prune()


def _constant(node: Node) -> Tensor:
    """The numbers of the channels."""
    return node.input(parameters(node)[0].input)


def _computed(node: Node) -> Tensor:
    return node.input(1 - parameters(node)[0].input)


def _is_first_half(graph: Graph, node: Node) -> bool:
    if node.type != "mul" or not parameters(node) or node.str_attr("activation") != "none":
        return False
    if node.x.dtype is not DType.FLOAT32 or _computed(node).shape != node.y.shape:
        return False
    users = graph.consumers(node.y.name)
    if len(users) != 1 or node.y.name in graph.outputs or _is_normalized(graph, _computed(node).name):
        return False
    second = graph.node(users[0])
    found = parameters(second) if second.type in ("add", "sub") else ()
    return bool(found) and (second.type == "add" or found[0].input == 1)


def _is_normalized(graph: Graph, tensor: str) -> bool:
    """Whether a tensor was divided by a deviation that the network computes."""
    op = graph.producer(tensor)
    if op is None or op.type not in (*_BETWEEN, "rsqrt"):
        return False
    return op.type == "rsqrt" or any(n is not None and _is_normalized(graph, n) for n in op.inputs)


def _joined(out: Graph, first: Node, second: Node, momentum: float) -> Op:
    """The normalization in place of both halves; its constants keep their names."""
    gamma, beta = _constant(first), _constant(second)
    assert gamma.data is not None
    assert beta.data is not None
    channels = gamma.elements
    offset = -beta.data if second.type == "sub" else beta.data
    for tensor, data in ((gamma, gamma.data), (beta, offset)):
        out.tensors[tensor.name] = tensor.replace(shape=(channels,), data=data.reshape(channels))
    start = np.stack([np.zeros(channels), np.full(channels, 1 - EPSILON)]).astype(np.float32)
    name = out.unique_name(f"{second.name}.statistics")
    statistics = out.add_tensor(Tensor(name, start.shape, DType.FLOAT32, data=start))
    attrs = {"activation": second.str_attr("activation"), "epsilon": EPSILON, "momentum": momentum}
    inputs = (_computed(first).name, gamma.name, beta.name, statistics.name)
    return Op(second.name, "batch_norm", inputs, (second.y.name,), attrs)
