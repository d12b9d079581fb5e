"""Data movement beyond the tables: equal to NumPy on random shapes, exact overlap rules, errors for nonsense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import mcu_gen.ops  # noqa: F401  registers the operators
from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor, TensorType, check, operator
from mcu_gen.kernels import kernels, select
from mcu_gen.kernels.copy_bytes import keeps_bytes
from mcu_gen.kernels.pad import levels, shortest_period
from mcu_gen.kernels.strided import loops, sequential_lead
from mcu_gen.ops.movement import View, row_major_strides
from mcu_gen.targets import Target

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)
HOST = Target("host")


def node_of(
    op: str,
    x: Sequence[int],
    *constants: Any,
    attrs: Mapping[str, Any] | None = None,
    dtype: DType = DType.INT8,
    others: Sequence[Sequence[int]] = (),
) -> Node:
    """A node with constant arguments (int32); ``others`` are the shapes of further activations."""
    graph = Graph("test")
    quant = QuantParams.per_tensor(0.5, 3) if dtype is DType.INT8 else None
    names = ["x"]
    graph.add_tensor(Tensor("x", tuple(x), dtype, quant))
    for i, shape in enumerate(others):
        names.append(f"x{i}")
        graph.add_tensor(Tensor(f"x{i}", tuple(shape), dtype, quant))
    for i, value in enumerate(constants):
        data = np.asarray(value, np.int32)
        names.append(f"c{i}")
        graph.add_tensor(Tensor(f"c{i}", data.shape, DType.INT32, None, data))
    graph.add_tensor(Tensor("y", (), dtype, quant))
    op_ = Op("y", op, tuple(names), ("y",), dict(attrs or {}))
    graph.tensors["y"] = graph.tensors["y"].replace(shape=operator(op).infer(graph.node(op_))[0].shape)
    return graph.node(op_)


def evaluate(node: Node, *x: np.ndarray) -> np.ndarray:
    return operator(node.type).evaluate(node, [*x, *(t.data for t in node.inputs[len(x) :] if t is not None)])[0]


def numbered(shape: Sequence[int]) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.int8).reshape(tuple(shape))


@st.composite
def subscripts(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    shape = draw(SHAPES)
    items: list[Any] = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        if draw(st.integers(0, 4)) == 0:
            items.append(draw(st.integers(-n, n - 1)))
        else:
            bound = st.none() | st.integers(-7, 7)
            items.append(slice(draw(bound), draw(bound), draw(st.sampled_from([-3, -2, -1, 1, 2, 3]))))
        if draw(st.integers(0, 5)) == 0:
            items.append(np.newaxis)
    used = sum(1 for i in items if i is not np.newaxis)
    if used < len(shape) and draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    return shape, tuple(items)


def strided_slice(shape: Sequence[int], items: Sequence[Any]) -> Node:
    begin, end, strides = [], [], []
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for bit, item in enumerate(items):
        b, e, s = 0, 0, 1
        if item is Ellipsis:
            masks["ellipsis_mask"] |= 1 << bit
        elif item is np.newaxis:
            masks["new_axis_mask"] |= 1 << bit
        elif isinstance(item, int):
            b, e = item, item + 1
            masks["shrink_axis_mask"] |= 1 << bit
        else:
            masks["begin_mask"] |= (item.start is None) << bit
            masks["end_mask"] |= (item.stop is None) << bit
            b, e, s = item.start or 0, item.stop or 0, item.step or 1
        begin.append(b)
        end.append(e)
        strides.append(s)
    return node_of("strided_slice", shape, begin, end, strides, attrs={**masks, "offset": False})


@given(subscripts())
@settings(max_examples=200, deadline=None)
def test_strided_slice_is_numpy_indexing(case: tuple[tuple[int, ...], tuple[Any, ...]]) -> None:
    shape, items = case
    x = numbered(shape)
    try:
        expected = x[items]
    except IndexError:  # the ellipsis moved an index to an axis that is shorter
        reject()
    node = strided_slice(shape, items)
    np.testing.assert_array_equal(evaluate(node, x), expected)
    assert bool(check(node)) == (expected.size == 0)


@given(SHAPES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_transpose_slice_and_pad_are_numpy(shape: tuple[int, ...], random: Any) -> None:
    x = numbered(shape)
    order = random.sample(range(len(shape)), len(shape))
    np.testing.assert_array_equal(evaluate(node_of("transpose", shape, order), x), x.transpose(order))
    begin = [random.randrange(n) for n in shape]
    size = [random.choice([-1, random.randint(1, n - b)]) for n, b in zip(shape, begin, strict=True)]
    box = tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begin, size, strict=True))
    np.testing.assert_array_equal(evaluate(node_of("slice", shape, begin, size), x), x[box])
    widths = [[random.randint(0, 2), random.randint(0, 2)] for _ in shape]
    np.testing.assert_array_equal(evaluate(node_of("pad", shape, widths), x), np.pad(x, widths, constant_values=3))


@given(SHAPES, st.integers(0, 4), st.sampled_from([1, 2, 4, 8]), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_merged_loops_visit_the_same_elements(shape: tuple[int, ...], offset: int, size: int, random: Any) -> None:
    strides = tuple(random.choice([-1, 1]) * s for s in random.sample(row_major_strides(shape), len(shape)))
    view = View(offset, shape, strides)
    nest = loops(view, size)
    visited = nest.starts()[:, None] + np.arange(nest.run)
    expected = view.indices().reshape(-1, 1) * size + np.arange(size)
    np.testing.assert_array_equal(visited.reshape(-1), expected.reshape(-1))


@st.composite
def run_starts(draw: st.DrawFn) -> tuple[list[int], int]:
    run = draw(st.integers(1, 4))
    aligned = st.lists(st.integers(0, 10), min_size=1, max_size=10, unique=True).map(lambda a: [i * run for i in a])
    return draw(aligned | st.lists(st.integers(0, 30), min_size=1, max_size=12)), run


@given(run_starts())
@settings(max_examples=200, deadline=None)
def test_sequential_lead_is_enough_and_tight(case: tuple[list[int], int]) -> None:
    """A simulated copy is right when the output lies ``lead`` bytes lower, and one byte nearer it is wrong."""
    starts, run = case
    at = np.array(starts, np.int64)
    lead = sequential_lead(at, run)
    size = int(at.max()) + run

    def copied(distance: int) -> bool:
        memory = np.concatenate([np.full(distance, -1), np.arange(size), np.full(len(starts) * run, -1)])
        for i, start in enumerate(starts):
            memory[i * run : (i + 1) * run] = memory[distance + start : distance + start + run].copy()
        return bool((memory[: len(starts) * run].reshape(-1, run) == at[:, None] + np.arange(run)).all())

    assert all(copied(lead + more) for more in range(3))
    if len({start // run for start in starts}) == len(starts) and all(start % run == 0 for start in starts):
        assert lead == 0 or not copied(lead - 1)  # where a byte is read twice, an early write may do no harm


@given(SHAPES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_pad_levels_add_up(shape: tuple[int, ...], random: Any) -> None:
    """Borders and rows of the merged levels make exactly the output."""
    widths = [random.choice([[0, 0], [random.randint(0, 2), random.randint(0, 2)]]) for _ in shape]
    node = node_of("pad", shape, widths, dtype=DType.FLOAT32)
    nest, row = levels(node)
    total = row
    for level in reversed(nest):
        total = total * level.count + level.before + level.after
    assert total == node.y.bytes
    assert row * int(np.prod([level.count for level in nest])) == node.x.bytes


@pytest.mark.parametrize(
    ("value", "period"),
    [(np.int8(-7), 1), (np.float32(0), 1), (np.int16(300), 2), (np.int32(5), 4), (np.int64(5), 8), (np.int16(-1), 1)],
)
def test_border_value_is_stored_once(value: np.generic, period: int) -> None:
    assert shortest_period(np.asarray(value)).size == period


def test_only_what_moves_bytes_is_copied() -> None:
    """A kernel that shares storage serves exactly the nodes whose output is their input."""
    resize = {"align_corners": False, "half_pixel_centers": True}
    nodes = [
        (node_of("reshape", (2, 3), [6], attrs={"new_shape": ()}), True),
        (node_of("transpose", (1, 4, 1, 3), [2, 1, 0, 3]), True),
        (node_of("transpose", (1, 4, 2, 3), [0, 2, 1, 3]), False),
        (node_of("slice", (3, 4), [0, 0], [-1, 4]), True),
        (node_of("slice", (3, 4), [0, 0], [2, 4]), False),
        (node_of("pad", (3, 4), [[0, 0], [0, 0]]), True),
        (node_of("pad", (3, 4), [[0, 0], [0, 1]]), False),
        (strided_slice((3, 4), (slice(None), np.newaxis)), True),
        (strided_slice((1, 4), (slice(None, None, -1),)), True),
        (strided_slice((3, 4), (slice(None, None, -1),)), False),
        (node_of("concatenation", (3, 4), attrs={"axis": 0, "activation": "none"}), True),
        (node_of("concatenation", (3, 4), attrs={"axis": 0, "activation": "none"}, others=[(1, 4)]), False),
        (node_of("resize_nearest_neighbor", (1, 3, 4, 2), [3, 4], attrs=resize), True),
        (node_of("resize_nearest_neighbor", (1, 3, 4, 2), [4, 4], attrs=resize), False),
    ]
    copy = next(k for k in kernels() if k.name == "copy_bytes")
    for node, same in nodes:
        assert keeps_bytes(node) == same, node.op
        assert (copy.rejects(node, HOST) is None) == same, node.op
        if same:
            x = numbered(node.x.shape)
            np.testing.assert_array_equal(evaluate(node, x).reshape(-1), x.reshape(-1))


def test_repeated_inputs_of_a_concatenation_are_kept_to_the_end() -> None:
    node = node_of("concatenation", (2, 3), attrs={"axis": 1, "activation": "none"}, others=[(2, 1)])
    twice = Node(
        node.op.replace(inputs=("x", "x0", "x")),
        (node.inputs[0], node.inputs[1], node.inputs[0]),
        (node.y.replace(shape=(2, 7)),),
    )
    kernel = next(k for k in kernels() if k.name == "concatenation")
    overlap = kernel.overlap(twice, HOST)
    assert overlap[0, 0] == overlap[2, 0] == (7 - 3) + 4
    assert overlap[1, 0] == (7 - 1) + 3


NONSENSE = {
    "reshape, elements lost": ("reshape", (2, 3), ([4],), {"new_shape": ()}, "cannot take the shape"),
    "reshape, two -1": ("reshape", (2, 3), ([-1, -1],), {"new_shape": ()}, "at most one -1"),
    "reshape, -1 does not divide": ("reshape", (2, 3), ([4, -1],), {"new_shape": ()}, "cannot take"),
    "reshape, 0 and -1": ("reshape", (2, 3), ([0, -1],), {"new_shape": ()}, "cannot take"),
    "reshape, -2": ("reshape", (2, 3), ([-2, 3],), {"new_shape": ()}, "0 or more"),
    "squeeze, length 2": ("squeeze", (1, 2), (), {"squeeze_dims": (1,)}, "must be 1"),
    "squeeze, no such axis": ("squeeze", (1, 2), (), {"squeeze_dims": (2,)}, "outside"),
    "expand_dims, no such axis": ("expand_dims", (2, 3), (4,), {}, "outside"),
    "expand_dims, two axes": ("expand_dims", (2, 3), ([0, 1],), {}, "one number"),
    "transpose, axis twice": ("transpose", (2, 3), ([0, 0],), {}, "once"),
    "transpose, too few": ("transpose", (2, 3), ([0],), {}, "once"),
    "transpose, no such axis": ("transpose", (2, 3), ([0, 2],), {}, "outside"),
    "slice, begin beyond": ("slice", (2, 3), ([3, 0], [1, 1]), {}, "outside"),
    "slice, begin negative": ("slice", (2, 3), ([-1, 0], [1, 1]), {}, "outside"),
    "slice, too long": ("slice", (2, 3), ([1, 0], [2, 1]), {}, "leaves"),
    "slice, size -2": ("slice", (2, 3), ([1, 0], [-2, 1]), {}, "leaves"),
    "slice, too few numbers": ("slice", (2, 3), ([1], [1]), {}, "per axis"),
    "pad, negative": ("pad", (2, 3), ([[0, -1], [0, 0]],), {}, "negative"),
    "pad, too few": ("pad", (2, 3), ([[0, 1]],), {}, "expected"),
    "pad, overflow": ("pad", (2, 3), ([[2**31 - 1, 0], [0, 0]],), {}, "2\\^31"),
    "concatenation, no such axis": ("concatenation", (2, 3), (), {"axis": 2, "activation": "none"}, "outside"),
    "resize, to nothing": (
        "resize_nearest_neighbor",
        (1, 2, 3, 1),
        ([0, 4],),
        {"align_corners": False, "half_pixel_centers": False},
        "cannot be resized",
    ),
    "resize, no image": (
        "resize_nearest_neighbor",
        (2, 3),
        ([2, 4],),
        {"align_corners": False, "half_pixel_centers": False},
        "rank 4",
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_an_error_with_a_reason(name: str) -> None:
    op, x, constants, attrs, message = NONSENSE[name]
    with pytest.raises(ValueError, match=message):
        node_of(op, x, *constants, attrs=attrs)


_MASKS = {
    "begin_mask": 0,
    "end_mask": 0,
    "ellipsis_mask": 0,
    "new_axis_mask": 0,
    "shrink_axis_mask": 0,
    "offset": False,
}


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks", "message"),
    [
        ([0], [2], [0], {}, "stride is 0"),
        ([0, 0, 0], [1, 1, 1], [1, 1, 1], {}, "3 subscripts"),
        ([0, 0], [1, 1], [1], {}, "same length"),
        ([2], [3], [1], {"shrink_axis_mask": 1}, "picks one element"),
        ([1], [0], [-1], {"shrink_axis_mask": 1}, "picks one element"),
        ([0, 0], [0, 0], [1, 1], {"ellipsis_mask": 3}, "more than one ellipsis"),
        ([0, 0, 0], [1, 1, 1], [1, 1, 1], {"ellipsis_mask": 1}, "stands for no axis"),
        ([0], [1], [1], {"new_axis_mask": 2}, "beyond"),
    ],
)
def test_strided_slice_refuses(
    begin: list[int], end: list[int], strides: list[int], masks: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        node_of("strided_slice", (2, 3), begin, end, strides, attrs={**_MASKS, **masks})


@pytest.mark.parametrize("op", ["reshape", "expand_dims", "transpose", "slice", "pad", "resize_nearest_neighbor"])
def test_computed_arguments_are_refused(op: str) -> None:
    """A shape, axis or padding that the network computes is unsupported, not a crash."""
    attrs = {"new_shape": (6,), "align_corners": False, "half_pixel_centers": False}
    image = Tensor("x", (1, 2, 3, 1), DType.FLOAT32)
    computed = Tensor("where", (2,), DType.INT32)
    node = Node(Op("y", op, ("x", "where"), ("y",), attrs), (image, computed, computed), (image.replace(name="y"),))
    assert any("computed by the network" in reason for reason in check(node))


def test_huge_tensors_are_judged_without_looking_at_every_element() -> None:
    """A quarter of a gigabyte: predicates, cost and overlap stay cheap."""
    resize = {"align_corners": False, "half_pixel_centers": False}
    for node in (
        node_of("transpose", (1 << 14, 1 << 14), [1, 0]),
        strided_slice((1 << 28,), (slice(None, None, -1),)),
        node_of("resize_nearest_neighbor", (1, 1, 1, 1), [1 << 14, 1 << 14], attrs=resize),
    ):
        kernel = select(node, HOST)
        assert kernel.overlap(node, HOST) == {}
        assert kernel.cost(node, HOST) > node.y.bytes


def test_types_are_kept() -> None:
    node = node_of("transpose", (2, 3), [1, 0], dtype=DType.INT64)
    assert operator("transpose").infer(node) == [TensorType((3, 2), DType.INT64)]
