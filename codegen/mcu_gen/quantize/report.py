"""How much a quantized graph differs from its float original: signal-to-noise ratio per layer, top-1 agreement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mcu_gen.graph import Executor, Graph, Tensor
from mcu_gen.ops.unary import round_away

#: Reported where there is no noise at all (a decibel figure cannot be infinite in JSON).
PERFECT_DB = 150.0


@dataclass(frozen=True)
class LayerQuality:
    """Signal-to-quantization-noise ratio of a layer's output, all errors of earlier layers included, in dB."""

    name: str
    op: str
    sqnr_db: float


@dataclass(frozen=True)
class QuantizeReport:
    """What quantization cost.

    Attributes:
        sqnr_db: of the first output, dB.
        top1_agreement: fraction of samples for which the first output has its largest value at the same index in both
            models; None when that output has one value per sample.
        samples: how many samples both figures are from.
        layers: per layer of the float model, in order.
        float_bytes, int8_bytes: size of both model files; 0 where no file was written.
    """

    sqnr_db: float
    top1_agreement: float | None
    samples: int
    layers: tuple[LayerQuality, ...]
    float_bytes: int = 0
    int8_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers]}


def real(x: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Codes of a per-tensor quantized tensor as real numbers; floats as they are; float64."""
    if tensor.dtype.is_float or tensor.quant is None:
        return x.astype(np.float64)
    return (x.astype(np.float64) - tensor.zp) * tensor.s


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise), within +-150 dB."""
    if noise <= 0:
        return PERFECT_DB
    if signal <= 0:
        return -PERFECT_DB
    return max(-PERFECT_DB, min(PERFECT_DB, 10 * math.log10(signal / noise)))


def compare(
    original: Graph, quantized: Graph, names: Mapping[str, str], samples: Sequence[Mapping[str, np.ndarray]]
) -> QuantizeReport:
    """Runs both graphs on ``samples`` (float, by tensor name) in NumPy.

    Args:
        names: tensor of ``original`` -> tensor of ``quantized`` that stands for it.
    """
    reference, tested = Executor(original), Executor(quantized)
    layers = [op for op in original.ops if op.outputs[0] in names]
    power = dict.fromkeys((op.outputs[0] for op in layers), 0.0)
    noise = dict(power)
    last = original.outputs[0]
    agree = 0
    for sample in samples:
        want = reference.run(sample, keep=True)
        got = tested.run({n: quantized_input(x, quantized.tensors[n]) for n, x in sample.items()}, keep=True)
        for name in power:
            signal = want[name].astype(np.float64)
            error = real(got[names[name]], quantized.tensors[names[name]]) - signal
            power[name] += float((signal**2).sum())
            noise[name] += float((error**2).sum())
        if last in names:
            agree += int(np.argmax(want[last]) == np.argmax(got[names[last]]))
    quality = tuple(
        LayerQuality(op.name, op.type, decibels(power[n], noise[n])) for op in layers for n in op.outputs[:1]
    )
    classes = original.tensors[last].elements
    return QuantizeReport(
        decibels(power.get(last, 0.0), noise.get(last, 0.0)),
        agree / len(samples) if classes > 1 and samples else None,
        len(samples),
        quality,
    )


def quantized_input(x: np.ndarray, tensor: Tensor) -> np.ndarray:
    """A float sample in the type of an input of the quantized model."""
    if tensor.dtype.is_float or tensor.quant is None:
        return x
    codes = round_away(x.astype(np.float64) / tensor.s) + tensor.zp
    out: np.ndarray = np.clip(codes, *tensor.dtype.limits).astype(tensor.dtype.numpy)
    return out
