"""Random small graphs: all passes together, and each alone, change no bit of any output and keep the interface."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from mcu_gen.graph import Graph
from mcu_gen.passes import PASSES, run_passes
from passes.test_passes import Chain, same_bits

#: Scales that are often equal, so that rewrites apply, and sometimes not, so that their conditions matter.
_QUANT = st.sampled_from([(0.1, -20), (0.1, -20), (0.1, -20), (0.05, -20), (0.1, 3), (0.1, -128)])


def draw_operator(draw: DataObject, c: Chain, x: str) -> str | None:
    """One operator on tensor ``x``; None where the one that was drawn does not go with its shape."""
    t = next(t for t in c.b.subgraph.tensors if t.name == x.encode())
    shape, rank = tuple(t.shape), len(t.shape)
    kinds = [
        "pad",
        "conv",
        "pool",
        "act",
        "act",
        "view",
        "view",
        "transpose",
        "slice",
        "cat",
        "requant",
        "float",
        "add",
    ]
    kind = draw.draw(st.sampled_from(kinds))
    scale, zero_point = draw.draw(_QUANT)
    quant = {"scale": scale, "zero_point": zero_point}
    own = {"scale": float(t.quantization.scale[0]), "zero_point": int(t.quantization.zeroPoint[0])}
    if kind == "act":
        return c.op(draw.draw(st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"])), x, shape=shape, **quant)
    if kind == "add":
        fused = draw.draw(st.sampled_from(["none", "relu", "relu6"]))
        return c.op("ADD", x, x, shape=shape, options={"fused_activation_function": fused}, **quant)
    if kind == "requant":
        return c.op("QUANTIZE", x, shape=shape, **quant)
    if kind == "float":
        c.b.tensor(f"real{c.count}", shape, "float32").op("DEQUANTIZE", [x], [f"real{c.count}"])
        return c.op("QUANTIZE", f"real{c.count}", shape=shape, **quant)
    if kind == "view":
        if draw.draw(st.booleans()):
            axis = draw.draw(st.integers(0, rank))
            wider = (*shape[:axis], 1, *shape[axis:])
            return None if rank > 4 else c.op("EXPAND_DIMS", x, c.constant(axis), shape=wider, **own)
        new = draw.draw(st.sampled_from([shape, tuple(sorted(shape)), (int(np.prod(shape)),), (1, *shape)]))
        return None if len(new) > 5 else c.op("RESHAPE", x, shape=new, options={"new_shape": list(new)}, **quant)
    if kind == "transpose":
        order = draw.draw(st.permutations(range(rank)))
        return c.op("TRANSPOSE", x, c.constant(order), shape=tuple(shape[a] for a in order), **quant)
    if kind == "slice":
        begin = [draw.draw(st.integers(0, n - 1)) if draw.draw(st.booleans()) else 0 for n in shape]
        size = tuple(n - b for n, b in zip(shape, begin, strict=True))
        return c.op("SLICE", x, c.constant(begin), c.constant(size), shape=size, **quant)
    if kind == "cat":
        return c.op("CONCATENATION", x, shape=shape, options={"axis": 0}, **own)
    if rank != 4:
        return None
    n, h, w, depth = shape
    if kind == "pad":
        pairs = [(0, 0), *(draw.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(2)), (0, 0)]
        return c.pad(x, tuple(s + a + b for s, (a, b) in zip(shape, pairs, strict=True)), *pairs, **quant)
    padding = draw.draw(st.sampled_from(["same", "valid"]))
    if padding == "valid" and min(h, w) < 3:
        return None
    size = (h, w) if padding == "same" else (h - 2, w - 2)
    if kind == "conv":
        return c.conv(x, (n, *size, 2), depth, padding)
    pool = {"padding": padding, "stride_h": 1, "stride_w": 1, "filter_height": 3, "filter_width": 3}
    builtin = draw.draw(st.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
    return c.op(builtin, x, shape=(n, *size, depth), options=pool, **own)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to ten operators, mostly one behind the other, with outputs here and there."""
    data = draw(st.data())
    c = Chain((1, 4, 4, 2))
    made = [c.inputs[0]]
    for _ in range(draw(st.integers(1, 10))):
        x = made[-1] if draw(st.integers(0, 3)) else draw(st.sampled_from(made))
        y = draw_operator(data, c, x)
        if y is not None:
            made.append(y)
    if len(made) == 1:
        made.append(c.op("RELU", made[0], shape=(1, 4, 4, 2)))
    outputs = [y for y in made[1:-1] if not draw(st.integers(0, 4))]
    return c.graph(*outputs, made[-1])


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_passes_change_no_bit(graph: Graph) -> None:
    for rewrite in PASSES:
        same_bits(graph, rewrite(graph))
    after = run_passes(graph)
    same_bits(graph, after)
    assert len(after.ops) <= len(graph.ops)
