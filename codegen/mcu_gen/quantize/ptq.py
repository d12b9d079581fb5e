"""Post-training quantization: a float32 graph becomes an int8 graph after the TFLite quantization specification.

Weights are symmetric int8 in [-127, 127], per output channel or per tensor; biases int32 at input scale x weight
scale; activations asymmetric int8 per tensor, from calibrated ranges that hold 0 exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.errors import UnsupportedModelError, UsageError
from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor, check
from mcu_gen.ops.unary import round_away
from mcu_gen.passes.fold_constants import fold_constants
from mcu_gen.passes.fuse_activation import fuse_activation
from mcu_gen.passes.remove_identities import remove_identities
from mcu_gen.quantize.calibrate import METHODS, Range, calibrate
from mcu_gen.quantize.fold import fold_affine
from mcu_gen.quantize.rules import (
    SUPPORTED,
    WEIGHTED,
    activation_inputs,
    fixed_output,
    scales,
)

#: Codes of a bias stay below this, so that the sum with the products cannot leave int32 on realistic inputs.
_BIAS_LIMIT = float(1 << 30)
_SMALLEST_SCALE = 1e-12


@dataclass(frozen=True)
class Options:
    """How to quantize.

    Attributes:
        method: calibration: ``minmax``, ``percentile`` or ``mse``.
        percentile: what the method ``percentile`` keeps at each end, per cent.
        per_channel: a scale per output channel of the weights, else one per tensor.
        io: ``int8`` inputs and outputs, or ``float`` ones with QUANTIZE and DEQUANTIZE at the ends.
    """

    method: str = "minmax"
    percentile: float = 99.99
    per_channel: bool = True
    io: str = "int8"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"unknown calibration method {self.method!r}", where="--method", hints=list(METHODS))
        if self.io not in ("int8", "float"):
            raise UsageError(f"the interface must be int8 or float, not {self.io!r}", where="--io")


def prepare(graph: Graph) -> Graph:
    """The float graph in the form that is quantized: constants, activations and batch normalizations folded.

    Raises:
        UnsupportedModelError: it is no float32 graph of operators that can be quantized; all reasons are listed.
    """
    reasons = []
    for node in graph.nodes():
        if node.type in ("quantize", "dequantize") or any(t.quant is not None for t in node.outputs):
            reasons.append(f"layer {node.name} ({node.type}): it is quantized already")
        elif node.type not in SUPPORTED:
            reasons.append(f"layer {node.name}: operator {node.type} cannot be quantized")
    reasons += [f"tensor {t.name}: variables cannot be quantized" for t in graph.variables()]
    computed = {n for op in graph.ops for n in op.outputs}
    reasons += [f"output {n}: no operator computes it" for n in graph.outputs if n not in computed]
    if not graph.ops:
        reasons.append("there are no operators")
    if reasons:
        raise UnsupportedModelError(
            "the model cannot be quantized", reasons=reasons, hints=["give the float32 model from before conversion"]
        )
    graph = fuse_activation(remove_identities(fold_constants(graph)))
    return fuse_activation(fold_affine(graph))


def quantize_graph(
    graph: Graph, samples: Sequence[Mapping[str, np.ndarray]], options: Options | None = None
) -> tuple[Graph, dict[str, str]]:
    """int8 version of a graph that :func:`prepare` made.

    Args:
        samples: calibration samples by tensor name, in the inputs' shapes, as
            :func:`~mcu_gen.quantize.calibrate.samples_of` makes them.

    Returns:
        The graph, and for every float tensor the int8 tensor that stands for it.

    Raises:
        UnsupportedModelError: the result would break a rule of an operator; all reasons are listed.
        UsageError: the calibration data are unusable.
    """
    return _Quantizer(graph, samples, options or Options()).run()


def activation_params(r: Range) -> QuantParams:
    """Scale and zero point whose 256 codes cover ``r`` and hold 0 exactly."""
    scale = max((r.high - r.low) / 255, _SMALLEST_SCALE) if r.high > r.low else 1.0
    zero_point = int(np.clip(np.round(-128 - r.low / scale), -128, 127))
    return QuantParams.per_tensor(scale, zero_point)


def encode(x: np.ndarray, quant: QuantParams) -> np.ndarray:
    """int8 codes of real numbers, rounded to nearest and saturated."""
    codes = round_away(x.astype(np.float64) / quant.s) + quant.zp
    out: np.ndarray = np.clip(codes, -128, 127).astype(np.int8)
    return out


def weight_scales(w: np.ndarray, bias: np.ndarray, axis: int, per_channel: bool, input_scale: float) -> np.ndarray:
    """float32 scale per output channel, or one: the largest weight becomes 127, unless the bias needs a coarser scale.

    Channels without weights take the largest of the other scales, so that their bias keeps its precision.
    """
    other = tuple(a for a in range(w.ndim) if a != axis)
    largest = np.abs(w.astype(np.float64)).max(axis=other)
    needed = np.abs(bias.astype(np.float64)) / (_BIAS_LIMIT * input_scale)
    if not per_channel:
        largest, needed = largest.max(keepdims=True), needed.max(keepdims=True)
    empty = largest.max() if largest.max() > 0 else 127 * max(float(needed.max()), 1e-3)
    found = np.maximum(np.where(largest > 0, largest, empty) / 127, needed)
    return np.maximum(found, _SMALLEST_SCALE).astype(np.float32)


class _Quantizer:
    def __init__(self, graph: Graph, samples: Sequence[Mapping[str, np.ndarray]], options: Options) -> None:
        self.graph, self.options = graph, options
        self.scales = scales(graph)
        self.params = self._params(calibrate(graph, samples, self.scales.groups, options.method, options.percentile))
        self.out = Graph(graph.name)
        self.out.inputs, self.out.outputs = list(graph.inputs), list(graph.outputs)
        self.out.aliases = dict(graph.aliases)
        self.names: dict[str, str] = {}  # float tensor -> int8 tensor

    def _params(self, ranges: dict[str, Range]) -> dict[str, QuantParams]:
        """Scale and zero point of every activation tensor."""
        groups = self.scales.groups
        fixed = {groups[op.outputs[0]]: p for op in self.graph.ops if (p := fixed_output(op)) is not None}
        for group, entering in self.scales.rescaled.items():
            for name in entering:
                ranges[group] = ranges[group].union(ranges[groups[name]])
        by_group = {g: fixed[g] if g in fixed else activation_params(r) for g, r in ranges.items()}
        return {name: by_group[group] for name, group in groups.items()}

    def run(self) -> tuple[Graph, dict[str, str]]:
        self._declare()
        for name in self.graph.inputs:
            if self.names.get(name, name) != name:
                self._add("quantize", (name,), (self.names[name],))
        for node in self.graph.nodes():
            self._convert(node)
        for name in dict.fromkeys(self.graph.outputs):
            if self.names.get(name, name) != name:
                self._add("dequantize", (self.names[name],), (name,))
        self._verify()
        return self.out.prune(), self.names

    def _declare(self) -> None:
        """All tensors: what is no activation as it is, activations in int8, and float ends where they are wanted."""
        ends = {*self.graph.inputs, *self.graph.outputs} if self.options.io == "float" else set()
        for t in self.graph.tensors.values():
            if t.name not in self.params:
                self.out.add_tensor(t)
        for name, quant in self.params.items():
            t = self.graph.tensors[name]
            if name in ends:
                self.out.add_tensor(t)
            data = None if t.data is None else encode(t.data, quant)
            inner = self.out.unique_name(f"{name}_int8") if name in ends else name
            self.out.add_tensor(t.replace(name=inner, dtype=DType.INT8, quant=quant, data=data))
            self.names[name] = inner

    def _add(self, op_type: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        self.out.ops.append(Op(self.out.unique_name(f"{outputs[0]}_{op_type}"), op_type, inputs, outputs))

    def _convert(self, node: Node) -> None:
        op = node.op
        inputs = tuple(None if n is None else self.names.get(n, n) for n in op.inputs)
        outputs = tuple(self.names.get(n, n) for n in op.outputs)
        if op.type in WEIGHTED:
            inputs = (inputs[0], *self._weights(node))
        rescaled = self.scales.rescaled.get(self.scales.groups.get(op.outputs[0], ""), [])
        entering = {self.names[n] for n in activation_inputs(op, self.graph) if n in rescaled}
        if entering:
            want = self.params[op.outputs[0]]
            twins = {n: self._rescaled(n, want) for n in entering}
            inputs = tuple(twins.get(n, n) if n is not None else None for n in inputs)
        self.out.ops.append(op.replace(inputs=inputs, outputs=outputs))

    def _rescaled(self, name: str, quant: QuantParams) -> str:
        """``name`` in another scale, through a QUANTIZE."""
        twin = self.out.unique_name(f"{name}_rescaled")
        self.out.add_tensor(self.out.tensors[name].replace(name=twin, quant=quant))
        self._add("quantize", (name,), (twin,))
        return twin

    def _weights(self, node: Node) -> tuple[str, str]:
        """Names of the int8 weights and the int32 bias of a convolution or matrix product."""
        weights, axis = node.input(1), WEIGHTED[node.type]
        assert weights.data is not None  # a rule of the operator
        channels = weights.shape[axis]
        bias = np.zeros(channels, np.float32)
        if node.has_input(2):
            given = node.input(2).data
            if given is None:
                raise UnsupportedModelError("the bias must be a constant", where=f"layer {node.name}")
            bias = given.reshape(-1)
        if not (np.isfinite(weights.data).all() and np.isfinite(bias).all()):
            raise UnsupportedModelError("weights or bias hold infinities or NaN", where=f"layer {node.name}")
        x = self.params[node.x.name]
        scale = weight_scales(weights.data, bias, axis, self.options.per_channel, x.s)
        along = [1] * weights.data.ndim
        along[axis] = -1
        codes = np.clip(round_away(weights.data / scale.astype(np.float64).reshape(along)), -127, 127).astype(np.int8)
        bias_scale = np.float32(x.s) * scale
        bias_codes = round_away(bias / np.broadcast_to(bias_scale, bias.shape).astype(np.float64)).astype(np.int32)
        many = scale.size > 1
        zeros = np.zeros(scale.size, np.int64)
        w = Tensor(
            self.out.unique_name(f"{weights.name}_int8"),
            weights.shape,
            DType.INT8,
            QuantParams(scale, zeros, axis if many else None),
            codes,
        )
        self.out.add_tensor(w)
        b = Tensor(
            self.out.unique_name(f"{node.name}_bias_int32"),
            bias_codes.shape,
            DType.INT32,
            QuantParams(bias_scale, zeros, 0 if many else None),
            bias_codes,
        )
        self.out.add_tensor(b)
        return w.name, b.name

    def _verify(self) -> None:
        reasons = [f"layer {n.name} ({n.type}): {r}" for n in self.out.nodes() for r in check(n)]
        if reasons:
            raise UnsupportedModelError("the quantized model breaks rules of its operators", reasons=reasons)
