"""Folding of constant MUL, ADD and SUB (batch normalization) into the convolution before them, in float32.

This changes roundings, so it is no pass of :mod:`mcu_gen.passes`: it belongs to quantization, which changes them
anyway.
"""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, Tensor
from mcu_gen.passes.rewrite import Uses, is_legal

_LINEAR = ("conv2d", "depthwise_conv2d", "fully_connected")

#: Axis of the output channels in the weights.
OUTPUT_AXIS = {"conv2d": 0, "depthwise_conv2d": 3, "fully_connected": 0}


def fold_affine(graph: Graph) -> Graph:
    """Folds as long as something folds: y = (conv(x) * a) + b becomes one convolution."""
    while True:
        folded = _fold_one(graph)
        if folded is None:
            return graph.prune()
        graph = folded


def _fold_one(graph: Graph) -> Graph | None:
    uses = Uses(graph)
    for op in graph.ops:
        if op.type not in _LINEAR or op.attrs["activation"] != "none":
            continue
        behind = uses.only_consumer(op.outputs[0])
        if behind is None or behind.type not in ("mul", "add", "sub"):
            continue
        factors = _per_channel(graph.node(behind), op.outputs[0], graph.tensors[op.outputs[0]])
        if factors is not None:
            out = _folded(graph, op, behind, *factors)
            if out is not None:
                return out
    return None


def _per_channel(node: Node, linear: str, y: Tensor) -> tuple[np.ndarray, np.ndarray] | None:
    """``(a, b)`` with node = a * linear + b per output channel, float64 [channels]; None for anything else."""
    position = node.op.inputs.index(linear)
    other = node.input(1 - position)
    if other.data is None or y.dtype is not DType.FLOAT32 or node.y.shape != y.shape or not y.shape:
        return None
    channels = y.shape[-1]
    if other.elements not in (1, channels) or (other.elements == channels and other.shape[-1:] != (channels,)):
        return None
    c = np.broadcast_to(other.data.astype(np.float64).reshape(-1), (channels,))
    one, zero = np.ones(channels), np.zeros(channels)
    if node.type == "mul":
        return c, zero
    if node.type == "add":
        return one, c
    return (one, -c) if position == 0 else (-one, c)


def _folded(graph: Graph, op: Op, behind: Op, a: np.ndarray, b: np.ndarray) -> Graph | None:
    node = graph.node(op)
    w = node.input(1)
    bias = node.inputs[2] if node.has_input(2) else None
    if w.data is None or (bias is not None and bias.data is None):
        return None
    shape = [1] * len(w.shape)
    shape[OUTPUT_AXIS[op.type]] = -1
    new_w = (w.data.astype(np.float64) * a.reshape(shape)).astype(np.float32)
    old_b = np.zeros(a.size) if bias is None or bias.data is None else bias.data.astype(np.float64)
    new_b = (old_b * a + b).astype(np.float32)
    if not (np.isfinite(new_w).all() and np.isfinite(new_b).all()):
        return None
    out = graph.copy()
    weights = out.add_tensor(Tensor(out.unique_name(f"{w.name}_folded"), w.shape, DType.FLOAT32, data=new_w))
    biases = out.add_tensor(Tensor(out.unique_name(f"{op.name}_bias"), new_b.shape, DType.FLOAT32, data=new_b))
    new = op.replace(
        inputs=(op.inputs[0], weights.name, biases.name),
        outputs=behind.outputs,
        attrs={**op.attrs, "activation": behind.attrs["activation"]},
    )
    if not is_legal(out.node(new)):
        return None
    out.ops = [new if o is op else o for o in graph.ops if o is not behind]
    return out
