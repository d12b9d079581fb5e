"""Every pass does what it says where it may, leaves alone what it must, and changes no bit of any output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor, Graph
from mcu_gen.passes import PASSES, run_passes
from mcu_gen.passes.fold_constants import MAX_GROWTH_BYTES, fold_constants
from mcu_gen.passes.fuse_activation import fuse_activation
from mcu_gen.passes.fuse_pad import fuse_pad
from mcu_gen.passes.merge_views import merge_reshapes, merge_transposes, transposes_to_reshapes
from mcu_gen.passes.remove_dead import remove_dead
from mcu_gen.passes.remove_identities import remove_identities
from support.small_models import float_network, int8_network
from support.tflite_builder import ModelBuilder

Pass = Callable[[Graph], Graph]


class Chain:
    """Builds a model operator by operator; tensors are called t0 (the input), t1, t2..."""

    def __init__(self, shape: tuple[int, ...], dtype: str = "int8", scale: float = 0.1, zero_point: int = -20) -> None:
        self.b = ModelBuilder()
        self.dtype = dtype
        self.count = -1
        self.inputs = [self.new(shape, scale, zero_point)]

    def new(self, shape: tuple[int, ...], scale: float = 0.1, zero_point: int = -20, **more: Any) -> str:
        self.count += 1
        name = f"t{self.count}"
        quant: dict[str, Any] = {} if self.dtype == "float32" else {"scale": scale, "zero_point": zero_point}
        self.b.tensor(name, shape, self.dtype, **quant, **more)
        return name

    def constant(self, values: Any, dtype: str = "int32", **more: Any) -> str:
        array = np.array(values)
        name = f"c{len(self.b.subgraph.tensors)}"
        self.b.tensor(name, array.shape, dtype, data=array, **more)
        return name

    def op(
        self, builtin: str, *inputs: str, shape: tuple[int, ...], options: Any = None, scale: float = 0.1,
        zero_point: int = -20,
    ) -> str:  # fmt: skip
        y = self.new(shape, scale, zero_point)
        self.b.op(builtin, inputs, [y], options=options)
        return y

    def conv(self, x: str, shape: tuple[int, ...], depth: int, padding: str = "valid", **more: Any) -> str:
        rng = np.random.default_rng(3)
        float_ = self.dtype == "float32"
        kind, quant = ("float32", {}) if float_ else ("int8", {"scale": 0.02})
        w = self.constant(rng.integers(-9, 9, (shape[3], 3, 3, depth)), kind, **quant)
        bias = self.constant(range(shape[3]), "float32" if float_ else "int32", **({} if float_ else {"scale": 0.002}))
        options = {"padding": padding, "stride_h": 1, "stride_w": 1, **more}
        return self.op("CONV_2D", x, w, bias, shape=shape, options=options)

    def pad(self, x: str, shape: tuple[int, ...], *pairs: tuple[int, int], **more: Any) -> str:
        return self.op("PAD", x, self.constant(pairs), shape=shape, **more)

    def graph(self, *outputs: str) -> Graph:
        return load_tflite(self.b.inputs(self.inputs).outputs(outputs or [f"t{self.count}"]).build())


def same_bits(before: Graph, after: Graph) -> None:
    """Same interface, and the same bits at every output, for several samples in a row."""
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    assert (before.aliases, before.sha256, before.warnings) == (after.aliases, after.sha256, after.warnings)
    for name in (*before.inputs, *before.outputs):
        a, b = before.tensors[name], after.tensors[name]
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.quant is None or a.quant.same_as(b.quant)
    rng = np.random.default_rng(7)
    one, two = Executor(before), Executor(after)
    for _ in range(3):
        inputs = {}
        for name in before.inputs:
            t = before.tensors[name]
            real = t.dtype.is_float
            x = rng.normal(size=t.shape) * 3 if real else rng.integers(-128, 128, t.shape)
            inputs[name] = x.astype(t.dtype.numpy)
        expected, got = one.run(inputs), two.run(inputs)
        for name, value in expected.items():
            np.testing.assert_array_equal(got[name], value)


def becomes(graph: Graph, rewrite: Pass, *types: str) -> Graph:
    after = remove_dead(rewrite(graph))
    assert [op.type for op in after.ops] == list(types)
    same_bits(graph, after)
    return after


IMAGE = (1, 5, 5, 2)
BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))


# -- constant folding


def test_operators_on_constants_are_folded() -> None:
    c = Chain(IMAGE)
    k = c.constant([[[[1, 2]]]], "int8", scale=0.1, zero_point=-20)
    moved = c.op("ADD", k, k, shape=(1, 1, 1, 2))
    c.op("MUL", c.inputs[0], moved, shape=IMAGE)
    after = becomes(c.graph(), fold_constants, "mul")
    assert after.tensors[moved].is_constant


def test_what_grows_flash_stays() -> None:
    side = MAX_GROWTH_BYTES + 100
    c = Chain((1, side + 2))
    k = c.constant([[1]], "int8", scale=0.1, zero_point=-20)
    padded = c.pad(k, (1, side + 2), (0, 0), (0, side + 1))
    c.op("ADD", c.inputs[0], padded, shape=(1, side + 2))
    becomes(c.graph(), fold_constants, "pad", "add")


def test_outputs_stay_computed() -> None:
    c = Chain((1, 2))
    k = c.constant([[1, 2]], "int8", scale=0.1, zero_point=-20)
    twice = c.op("ADD", k, k, shape=(1, 2))
    y = c.op("ADD", c.inputs[0], twice, shape=(1, 2))
    becomes(c.graph(twice, y), fold_constants, "add", "add")


# -- activations


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("builtin", ["RELU", "RELU6", "RELU_N1_TO_1"])
def test_activation_moves_into_the_convolution(dtype: str, builtin: str) -> None:
    c = Chain(IMAGE, dtype)
    c.op(builtin, c.conv(c.inputs[0], (1, 3, 3, 4), 2), shape=(1, 3, 3, 4))
    after = becomes(c.graph(), fuse_activation, "conv2d")
    assert after.ops[0].attrs["activation"] == builtin.lower()
    assert after.ops[0].outputs == tuple(after.outputs)


@pytest.mark.parametrize("builtin", ["ADD", "SUB", "MUL"])
def test_activation_moves_into_arithmetic(builtin: str) -> None:
    c = Chain((1, 8))
    c.op("RELU", c.op(builtin, c.inputs[0], c.inputs[0], shape=(1, 8)), shape=(1, 8))
    becomes(c.graph(), fuse_activation, builtin.lower())


def test_two_activations_become_one() -> None:
    c = Chain((1, 8))
    first = c.op("ADD", c.inputs[0], c.inputs[0], shape=(1, 8), options={"fused_activation_function": "relu"})
    c.op("RELU6", first, shape=(1, 8))
    assert becomes(c.graph(), fuse_activation, "add").ops[0].attrs["activation"] == "relu6"


def test_activation_that_rescales_stays() -> None:
    c = Chain((1, 8))
    c.op("RELU", c.op("ADD", c.inputs[0], c.inputs[0], shape=(1, 8)), shape=(1, 8), scale=0.07)
    becomes(c.graph(), fuse_activation, "add", "relu")


def test_activation_with_other_readers_stays() -> None:
    c = Chain((1, 8))
    total = c.op("ADD", c.inputs[0], c.inputs[0], shape=(1, 8))
    clamped = c.op("RELU", total, shape=(1, 8))
    becomes(c.graph(clamped, total), fuse_activation, "add", "relu")
    c.op("SUB", total, clamped, shape=(1, 8))
    becomes(c.graph(), fuse_activation, "add", "relu", "sub")


def test_combinations_without_a_name_stay() -> None:
    c = Chain((1, 8))
    first = c.op("ADD", c.inputs[0], c.inputs[0], shape=(1, 8), options={"fused_activation_function": "relu"})
    c.op("RELU_N1_TO_1", first, shape=(1, 8))
    becomes(c.graph(), fuse_activation, "add", "relu_n1_to_1")


# -- padding


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pad_moves_into_the_convolution(dtype: str, padding: str) -> None:
    c = Chain(IMAGE, dtype)
    padded = c.pad(c.inputs[0], (1, 8, 7, 2), (0, 0), (1, 2), (0, 2), (0, 0))
    c.conv(padded, (1, 6, 5, 4) if padding == "valid" else (1, 8, 7, 4), 2, padding)
    after = becomes(c.graph(), fuse_pad, "conv2d")
    own = 1 if padding == "same" else 0
    assert after.ops[0].attrs["padding"] == "explicit"
    assert after.ops[0].attrs["pad"] == (1 + own, 2 + own, own, 2 + own)


def test_pad_moves_into_all_its_readers_or_none() -> None:
    c = Chain(IMAGE)
    padded = c.pad(c.inputs[0], (1, 7, 7, 2), *BORDER)
    first, second = c.conv(padded, IMAGE, 2), c.conv(padded, IMAGE, 2, fused_activation_function="relu")
    becomes(c.graph(first, second), fuse_pad, "conv2d", "conv2d")
    becomes(c.graph(first, second, padded), fuse_pad, "pad", "conv2d", "conv2d")
    doubled = c.op("ADD", padded, padded, shape=(1, 7, 7, 2))
    becomes(c.graph(first, second, doubled), fuse_pad, "pad", "conv2d", "conv2d", "add")


@pytest.mark.parametrize("pairs", [((0, 0), (1, 1), (1, 1), (0, 1)), ((1, 0), (0, 0), (0, 0), (0, 0))])
def test_pad_of_batch_or_channels_stays(pairs: tuple[tuple[int, int], ...]) -> None:
    c = Chain(IMAGE)
    shape = tuple(n + a + b for n, (a, b) in zip(IMAGE, pairs, strict=True))
    c.conv(c.pad(c.inputs[0], shape, *pairs), (shape[0], shape[1] - 2, shape[2] - 2, 4), shape[3])
    becomes(c.graph(), fuse_pad, "pad", "conv2d")


def test_pad_with_another_zero_point_stays() -> None:
    c = Chain(IMAGE)
    c.conv(c.pad(c.inputs[0], (1, 7, 7, 2), *BORDER, zero_point=5), IMAGE, 2)
    becomes(c.graph(), fuse_pad, "pad", "conv2d")


def pooled(c: Chain, x: str, builtin: str, zero_point: int = -20) -> None:
    padded = c.pad(x, (1, 7, 7, 2), *BORDER, zero_point=zero_point)
    pool = {"padding": "valid", "stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 3}
    c.op(builtin, padded, shape=(1, 3, 3, 2), options=pool, zero_point=zero_point)


def test_pad_before_a_maximum_pool_goes_only_where_nothing_is_negative() -> None:
    signed = Chain(IMAGE)
    pooled(signed, signed.inputs[0], "MAX_POOL_2D")
    becomes(signed.graph(), fuse_pad, "pad", "max_pool2d")
    clamped = Chain(IMAGE)
    pooled(clamped, clamped.op("RELU", clamped.inputs[0], shape=IMAGE), "MAX_POOL_2D")
    becomes(clamped.graph(), fuse_pad, "relu", "max_pool2d")
    lowest = Chain(IMAGE, zero_point=-128)
    pooled(lowest, lowest.inputs[0], "MAX_POOL_2D", zero_point=-128)
    becomes(lowest.graph(), fuse_pad, "max_pool2d")


def test_pad_before_an_average_pool_stays() -> None:
    c = Chain(IMAGE)
    pooled(c, c.op("RELU", c.inputs[0], shape=IMAGE), "AVERAGE_POOL_2D")
    becomes(c.graph(), fuse_pad, "relu", "pad", "average_pool2d")


# -- no-ops

NO_OPS: dict[str, Callable[[Chain, str], str]] = {
    "reshape": lambda c, x: c.op("RESHAPE", x, shape=IMAGE, options={"new_shape": list(IMAGE)}),
    "transpose": lambda c, x: c.op("TRANSPOSE", x, c.constant([0, 1, 2, 3]), shape=IMAGE),
    "slice": lambda c, x: c.op("SLICE", x, c.constant([0] * 4), c.constant([-1] * 4), shape=IMAGE),
    "strided_slice": lambda c, x: c.op(
        "STRIDED_SLICE", x, c.constant([0] * 4), c.constant(IMAGE), c.constant([1] * 4), shape=IMAGE
    ),
    "pad": lambda c, x: c.pad(x, IMAGE, *[(0, 0)] * 4),
    "concatenation": lambda c, x: c.op("CONCATENATION", x, shape=IMAGE, options={"axis": 1}),
    "quantize": lambda c, x: c.op("QUANTIZE", x, shape=IMAGE),
    "max_pool2d": lambda c, x: c.op(
        "MAX_POOL_2D", x, shape=IMAGE,
        options={"padding": "valid", "stride_h": 1, "stride_w": 1, "filter_height": 1, "filter_width": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_OPS)
def test_no_op_inside_is_removed(name: str) -> None:
    c = Chain(IMAGE)
    c.op("RELU", NO_OPS[name](c, c.op("RELU6", c.inputs[0], shape=IMAGE)), shape=IMAGE)
    becomes(c.graph(), remove_identities, "relu6", "relu")


@pytest.mark.parametrize("name", NO_OPS)
def test_no_op_at_the_end_gives_its_name_to_the_operator_before(name: str) -> None:
    c = Chain(IMAGE)
    NO_OPS[name](c, c.op("RELU6", c.inputs[0], shape=IMAGE))
    becomes(c.graph(), remove_identities, "relu6")


@pytest.mark.parametrize("name", NO_OPS)
def test_no_op_between_two_places_that_the_caller_knows_stays(name: str) -> None:
    c = Chain(IMAGE)
    NO_OPS[name](c, c.inputs[0])
    becomes(c.graph(), remove_identities, name)
    middle = Chain(IMAGE)
    inner = middle.op("RELU6", middle.inputs[0], shape=IMAGE)
    becomes(middle.graph(inner, NO_OPS[name](middle, inner)), remove_identities, "relu6", name)


def test_copies_that_change_the_meaning_stay() -> None:
    """Data movement does not rescale: another scale of the output makes other numbers of the same bytes."""
    c = Chain(IMAGE)
    other = c.op("RESHAPE", c.inputs[0], shape=IMAGE, options={"new_shape": list(IMAGE)}, scale=0.3)
    c.op("RELU", other, shape=IMAGE)
    becomes(c.graph(), remove_identities, "reshape", "relu")
    swapped = Chain(IMAGE)
    swapped.op("RELU", swapped.op("TRANSPOSE", "t0", swapped.constant([0, 2, 1, 3]), shape=IMAGE), shape=IMAGE)
    becomes(swapped.graph(), remove_identities, "transpose", "relu")
    reverse = Chain(IMAGE)
    bounds = [reverse.constant(v) for v in ([0] * 4, [0] * 4, [1, -1, 1, 1])]
    flipped = reverse.op("STRIDED_SLICE", "t0", *bounds, shape=IMAGE, options={"begin_mask": 15, "end_mask": 15})
    reverse.op("RELU", flipped, shape=IMAGE)
    becomes(reverse.graph(), remove_identities, "strided_slice", "relu")


@pytest.mark.parametrize(
    ("scale", "types"), [(0.1, ("relu", "relu6")), (0.2, ("relu", "dequantize", "quantize", "relu6"))]
)
def test_quantize_that_undoes_dequantize_is_removed(scale: float, types: tuple[str, ...]) -> None:
    c = Chain(IMAGE)
    x = c.op("RELU", c.inputs[0], shape=IMAGE)
    c.b.tensor("real", IMAGE, "float32").op("DEQUANTIZE", [x], ["real"])
    c.op("RELU6", c.op("QUANTIZE", "real", shape=IMAGE, scale=scale), shape=IMAGE, scale=scale)
    becomes(c.graph(), remove_identities, *types)


@pytest.mark.parametrize("scale", [1e-20, 3.3e-7, 0.0473, 1.0, 77.7, 1e8])
@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_every_code_survives_dequantize_and_quantize(scale: float, zero_point: int) -> None:
    """The claim behind the removal, for all 256 codes."""
    c = Chain((1, 256), scale=scale, zero_point=zero_point)
    c.b.tensor("real", (1, 256), "float32").op("DEQUANTIZE", ["t0"], ["real"])
    c.op("QUANTIZE", "real", shape=(1, 256), scale=scale, zero_point=zero_point)
    codes = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    np.testing.assert_array_equal(Executor(c.graph()).run({"t0": codes})["t1"], codes)


def test_quantize_after_float_stays() -> None:
    """DEQUANTIZE behind QUANTIZE rounds; it is no no-op."""
    c = Chain((1, 4), "float32")
    c.b.tensor("codes", (1, 4), "int8", scale=0.1).op("QUANTIZE", ["t0"], ["codes"])
    c.op("RELU", c.op("DEQUANTIZE", "codes", shape=(1, 4)), shape=(1, 4))
    becomes(c.graph(), remove_identities, "quantize", "dequantize", "relu")


# -- chains


def test_chains_of_reshapes_become_one() -> None:
    c = Chain((1, 2, 1, 3))
    squeezed = c.op("SQUEEZE", c.inputs[0], shape=(1, 2, 3), options={"squeeze_dims": [2]})
    wide = c.op("EXPAND_DIMS", squeezed, c.constant(0), shape=(1, 1, 2, 3))
    flat = c.op("RESHAPE", wide, c.constant([1, 6]), shape=(1, 6))
    c.op("RELU", flat, shape=(1, 6))
    after = becomes(c.graph(), merge_reshapes, "reshape", "relu")
    assert after.ops[0].inputs == ("t0",)
    assert after.ops[0].attrs["new_shape"] == (1, 6)


def test_reshape_with_another_reader_stays_for_it() -> None:
    c = Chain((2, 3))
    first = c.op("RESHAPE", c.inputs[0], shape=(3, 2), options={"new_shape": [3, 2]})
    second = c.op("RESHAPE", first, shape=(6,), options={"new_shape": [6]})
    becomes(c.graph(first, second), merge_reshapes, "reshape", "reshape")


def test_transposes_become_one_or_none() -> None:
    c = Chain((2, 3, 4))
    first = c.op("TRANSPOSE", c.inputs[0], c.constant([1, 2, 0]), shape=(3, 4, 2))
    second = c.op("TRANSPOSE", first, c.constant([-2, 0, -1]), shape=(4, 3, 2))
    becomes(c.graph(), merge_transposes, "transpose")
    back = c.op("TRANSPOSE", second, c.constant([2, 1, 0]), shape=(2, 3, 4))
    c.op("RELU", back, shape=(2, 3, 4))
    becomes(c.graph(), run_passes, "relu")


def test_transpose_of_axes_of_length_1_is_a_reshape() -> None:
    c = Chain((1, 1, 4, 3))
    c.op("TRANSPOSE", c.inputs[0], c.constant([2, 0, 1, 3]), shape=(4, 1, 1, 3))
    becomes(c.graph(), transposes_to_reshapes, "reshape")


# -- dead code, state and the whole list


def test_dead_operators_go_and_inputs_stay() -> None:
    c = Chain((1, 4))
    c.inputs.append(c.new((1, 4)))
    c.op("RELU", c.inputs[1], shape=(1, 4))
    y = c.op("RELU6", c.inputs[0], shape=(1, 4))
    after = becomes(c.graph(y), remove_dead, "relu6")
    assert set(after.tensors) == {"t0", "t1", y}


def test_state_is_kept_and_read_at_the_same_time() -> None:
    """A copy of a variable before it is written is no no-op, and writing a variable is no dead code."""
    c = Chain((1, 4))
    c.b.tensor("state", (1, 4), "int8", scale=0.1, zero_point=-20, variable=True)
    old = c.op("RESHAPE", "state", shape=(1, 4), options={"new_shape": [1, 4]})
    total = c.op("ADD", c.inputs[0], "state", shape=(1, 4))
    c.b.op("QUANTIZE", [total], ["state"])
    y = c.op("SUB", c.inputs[0], old, shape=(1, 4))
    becomes(c.graph(y), run_passes, "reshape", "add", "quantize", "sub")


@pytest.mark.parametrize(("build", "removed"), [(int8_network, 2), (float_network, 0)])
def test_whole_networks(build: Callable[[], ModelBuilder], removed: int) -> None:
    graph = load_tflite(build().build())
    after = run_passes(graph)
    same_bits(graph, after)
    assert len(graph.ops) - len(after.ops) == removed
    again = run_passes(after)
    assert [(o.name, o.type, o.inputs, o.outputs) for o in again.ops] == [
        (o.name, o.type, o.inputs, o.outputs) for o in after.ops
    ]


@pytest.mark.parametrize("rewrite", PASSES, ids=lambda p: p.__name__)
def test_passes_do_not_change_their_argument(rewrite: Pass) -> None:
    graph = load_tflite(int8_network().build())
    ops, tensors = list(graph.ops), dict(graph.tensors)
    rewrite(graph)
    assert graph.ops == ops
    assert graph.tensors == tensors
