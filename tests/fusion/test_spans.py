"""Operator.input_span: what lies outside a span never matters, and the rows at both ends of a window's span do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.networks import Network, random_inputs, random_network
from mcu_gen.graph import DType, Graph, Node, operator
from mcu_gen.graph.executor import Executor
from mcu_gen.graph.region import Span


def nodes_with_values(graph: Graph, seed: int) -> list[tuple[Node, list[np.ndarray | None]]]:
    values = Executor(graph).run(random_inputs(graph, seed), keep=True)
    return [(n, [None if t is None else values[t.name] for t in n.inputs]) for n in graph.nodes()]


def noise_like(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if x.dtype.kind == "f":
        return rng.normal(0, 5, x.shape).astype(x.dtype)
    return rng.integers(-128, 128, x.shape).astype(x.dtype)


def part(axis: int, span: Span) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(span.lo, span.hi),)


def check(node: Node, values: list[np.ndarray | None], axis: int, out: Span, rng: np.random.Generator) -> None:
    """Noise everywhere outside the spans leaves the part of the output as it is."""
    impl = operator(node.type)
    inputs = list(values)
    for index, x in enumerate(values):
        tensor = node.inputs[index]
        if x is None or tensor is None or tensor.is_constant:
            continue
        span = impl.input_span(node, index, axis, out)
        if span is None:
            continue
        assert 0 <= span.lo <= span.hi <= x.shape[axis] or not len(span)
        inputs[index] = noise_like(x, rng)
        inputs[index][part(axis, span)] = x[part(axis, span)]
    expected = impl.evaluate(node, values)[0][part(axis, out)]
    assert np.array_equal(impl.evaluate(node, inputs)[0][part(axis, out)], expected), f"{node.type} {axis} {out}"


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_nothing_outside_the_span_matters(dtype: DType, seed: int) -> None:
    rng = random.Random(seed)
    for node, values in nodes_with_values(random_network(seed, dtype=dtype), seed):
        for axis in (1, 2) if len(node.y.shape) == 4 else ():
            size = node.y.shape[axis]
            lo = rng.randrange(size)
            check(node, values, axis, Span(lo, rng.randint(lo + 1, size)), np.random.default_rng(seed))


def single(kind: str, shape: tuple[int, ...], constants: list[np.ndarray], seed: int, **attrs: Any) -> Graph:
    n = Network(seed=seed)
    x = n.input("x", *shape)
    return n.outputs(n.op(kind, [x, *(n.constant(f"c{i}", c) for i, c in enumerate(constants))], **attrs))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_movement_operators(data: st.DataObject) -> None:
    """Strided slices (backwards too), transposes, means and softmax, which random networks leave out."""
    height, width = data.draw(st.integers(2, 7)), data.draw(st.integers(2, 7))
    kind = data.draw(st.sampled_from(["strided_slice", "transpose", "mean", "softmax"]))
    shape, seed = (height, width, 3), data.draw(st.integers(0, 99))
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    if kind == "strided_slice":
        step = data.draw(st.sampled_from([1, 2, -1, -2]))
        begin, end = (0, height) if step > 0 else (height - 1, -height - 1)
        arguments = [np.array(v, np.int32) for v in ([0, begin, 1, 0], [1, end, width, 3], [1, step, 1, 1])]
        graph = single(kind, shape, arguments, seed, **masks, offset=False)
    elif kind == "transpose":
        order = data.draw(st.permutations([1, 2, 3]))
        graph = single(kind, shape, [np.array([0, *order], np.int32)], seed)
    elif kind == "mean":
        axes = data.draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2, unique=True))
        graph = single(kind, shape, [np.array(axes, np.int32)], seed, keep_dims=True)
    else:
        n = Network(DType.FLOAT32, seed)
        graph = n.outputs(n.op("softmax", [n.input("x", *shape)], beta=1.0))
    for node, values in nodes_with_values(graph, seed):
        for axis in (1, 2):
            for lo in range(node.y.shape[axis]):
                check(node, values, axis, Span(lo, lo + 1), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d", "average_pool2d", "max_pool2d"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_spans_of_windows_are_minimal(kind: str, data: st.DataObject) -> None:
    """A change in the first or last row of a span changes the output, unless the tap there is skipped by dilation."""
    k, stride = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    size = data.draw(st.integers(k, 11))
    n = Network(DType.FLOAT32, 1)
    padding = data.draw(st.sampled_from(["same", "valid"]))
    n.window(kind, n.input("x", size, size, 1), 1, k=k, stride=stride, padding=padding)
    node = next(n.graph.nodes())
    x = np.zeros(node.x.shape, np.float32)
    values: list[np.ndarray | None] = [x, *(None if t is None else t.data for t in node.inputs[1:])]
    axis, impl = data.draw(st.sampled_from([1, 2])), operator(kind)
    lo = data.draw(st.integers(0, node.y.shape[axis] - 1))
    out = Span(lo, data.draw(st.integers(lo + 1, node.y.shape[axis])))
    span = impl.input_span(node, 0, axis, out)
    assert span is not None
    assert len(span)
    before = impl.evaluate(node, values)[0][part(axis, out)]
    for edge in {span.lo, span.hi - 1}:
        changed = x.copy()
        changed[part(axis, Span(edge, edge + 1))] = 7.0
        after = impl.evaluate(node, [changed, *values[1:]])[0][part(axis, out)]
        assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    ("kind", "inputs", "span"),
    [
        ("add", ((1, 4, 5, 3), (1, 1, 1, 3)), Span(0, 1)),
        ("add", ((1, 4, 5, 3), (3,)), Span(0, 1)),
        ("mul", ((1, 4, 5, 3), (1, 4, 1, 3)), Span(1, 3)),
    ],
)
def test_broadcast_inputs(kind: str, inputs: tuple[tuple[int, ...], ...], span: Span) -> None:
    n = Network(DType.FLOAT32)
    x = n.input("x", *inputs[0][1:])
    other = n.constant("other", np.ones(inputs[1], np.float32))
    n.op(kind, [x, other], activation="none")
    node = next(n.graph.nodes())
    assert operator(kind).input_span(node, 1, 1, Span(1, 3)) == span
    assert operator(kind).input_span(node, 0, 1, Span(1, 3)) == Span(1, 3)
