"""int8 networks with samples: float ones that are quantized, and a file with what LiteRT computes from the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import mcu_gen.kernels
import mcu_gen.ops  # noqa: F401  registers the operators
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Graph, Op, Tensor, operator
from mcu_gen.ops.unary import round_away
from mcu_gen.passes import run_passes
from mcu_gen.quantize.ptq import Options, prepare, quantize_graph
from mcu_gen.quantize.writer import write_tflite
from mcu_gen.run.oracle import run_litert

#: Operators with weights (input 1) and bias (input 2).
WEIGHTED = ("fully_connected", "conv2d", "depthwise_conv2d")


@dataclass
class Integer:
    """A network of integers.

    Attributes:
        model: the .tflite file.
        graph: the network after the passes.
        samples: arrays per graph input.
    """

    model: bytes
    graph: Graph
    samples: list[list[np.ndarray]]

    def layers(self) -> list[Op]:
        """The operators with weights."""
        return [op for op in self.graph.ops if op.type in WEIGHTED]

    def reference(self) -> list[dict[str, np.ndarray]]:
        """Every tensor of LiteRT's ``BUILTIN_REF``, by name, per sample."""
        result = run_litert(self.model, self.samples, keep_all=True)
        return [{result.names[i]: x for i, x in tensors.items()} for tensors in result.tensors]


def load(model: bytes, samples: list[list[np.ndarray]]) -> Integer:
    return Integer(model, run_passes(load_tflite(model, "integers")), samples)


def codes(t: Tensor, x: np.ndarray) -> np.ndarray:
    """Real numbers in the type of a tensor."""
    if t.quant is None:
        return x.astype(t.dtype.numpy)
    return np.clip(round_away(x / t.s) + t.zp, *t.dtype.limits).astype(t.dtype.numpy)


def quantized(network: bytes | Graph, *, per_channel: bool = True, io: str = "int8", count: int = 6) -> Integer:
    """A float network in int8, with the samples that it was calibrated with: nothing saturates that should not."""
    graph = prepare(_as_in_files(network) if isinstance(network, Graph) else load_tflite(network, "floats"))
    rng = np.random.default_rng(0)
    reals = [
        {n: rng.normal(size=graph.tensors[n].shape).astype(np.float32) for n in graph.inputs} for _ in range(count)
    ]
    integers, _ = quantize_graph(graph, reals, Options(per_channel=per_channel, io=io))
    made = load(write_tflite(integers), [])
    made.samples = [[codes(made.graph.tensors[n], real[n]) for n in made.graph.inputs] for real in reals]
    return made


def _as_in_files(graph: Graph) -> Graph:
    """A graph of ``train.networks`` without attributes that its operators have no use for."""
    useless = {"add": {"bias_type"}, "average_pool2d": {"bias_type"}, "max_pool2d": {"bias_type"}}
    out = graph.copy()
    for i, op in enumerate(graph.ops):
        drop = set() if op.type in WEIGHTED else useless.get(op.type, {"bias_type", "activation"})
        out.ops[i] = op.replace(attrs={k: v for k, v in op.attrs.items() if k not in drop})
    return out


def real_values(t: Tensor, x: np.ndarray) -> np.ndarray:
    """What codes of a tensor stand for, float64; real numbers as they are."""
    return x.astype(np.float64) if t.quant is None else (x.astype(np.float64) - t.zp) * t.s


def steps_off(t: Tensor, want: np.ndarray, got: np.ndarray) -> np.ndarray:
    """How far real numbers are from codes of a tensor, in steps of its scale; beyond the last code counts as on it."""
    low, high = t.dtype.limits
    real = real_values(t, want)
    beyond = ((want == high) & (got > real)) | ((want == low) & (got < real))
    found: np.ndarray = np.where(beyond, 0.0, np.abs(got - real) / t.s)
    return found


def codes_of(graph: Graph, t: Tensor) -> Tensor:
    """The tensor of codes that a float32 output is dequantized from; any other tensor itself."""
    last = graph.producer(t.name)
    return graph.node(last).x if last is not None and last.type == "dequantize" else t


def alone_off(
    graph: Graph, changed: Graph, inside: set[str], theirs: dict[str, np.ndarray], ours: dict[str, np.ndarray]
) -> float:
    """How far the operators ``inside`` of the changed graph are from LiteRT's codes at most, in steps, when each one
    reads what LiteRT's codes stand for.  A concatenation may be off by one step more: its inputs were rescaled.

    Args:
        theirs, ours: values by tensor; tensors whose dead channels went are not compared.
    """

    def value(t: Tensor | None) -> np.ndarray | None:
        if t is None or t.name not in theirs or t.is_constant:
            return None if t is None else ours[t.name]
        return real_values(graph.tensors[t.name], theirs[t.name]).astype(np.float32)

    worst = 0.0
    for node in (changed.node(op) for op in changed.ops if op.name in inside):
        codes = codes_of(graph, graph.tensors[node.y.name])
        args = [value(t) for t in node.inputs]
        fits = all(a is None or t is None or a.shape == t.shape for a, t in zip(args, node.inputs, strict=True))
        if fits and theirs[codes.name].shape == codes.shape:
            (got,) = operator(node.type).evaluate(node, args)
            off = float(steps_off(codes, theirs[codes.name], got).max())
            worst = max(worst, off - 1 if node.type == "concatenation" else off)
    return worst
