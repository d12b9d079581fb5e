"""Kernels of UNIDIRECTIONAL_SEQUENCE_LSTM: unit by unit; the output row is where the new hidden state grows."""

from __future__ import annotations

import numpy as np

from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.common import constant, folded_bias
from mcu_gen.kernels.contract import Array, Call, CFloat, In, Kernel, Out, Value, kernel
from mcu_gen.ops.unidirectional_sequence_lstm import (
    BIASES,
    HIDDEN,
    RECURRENT,
    WEIGHTS,
    hidden_quantization,
    scaling,
    sequence,
)
from mcu_gen.targets import Target


def _by_unit(node: Node, indices: tuple[int, ...]) -> np.ndarray:
    """The four gates' constants side by side for every unit: [units, 4, ...]."""
    return np.ascontiguousarray(np.stack([constant(node.input(i)) for i in indices], axis=1))


class _Lstm(Kernel):
    ops = ("unidirectional_sequence_lstm",)
    dtype: DType

    def rejects(self, node: Node, target: Target) -> str | None:
        return None if node.x.dtype is self.dtype else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        batches, steps, _, units = sequence(node)
        rows = batches * steps
        return {"call": 1, "row": rows, "unit": rows * units, "mac": operator(node.type).macs(node)}

    def call(self, node: Node, target: Target) -> Call:
        batches, steps, inputs, units = sequence(node)
        major = node.bool_attr("time_major")
        fields: dict[str, Value] = {
            "batches": batches,
            "steps": steps,
            "inputs": inputs,
            "units": units,
            "batch_stride": 1 if major else steps,
            "time_stride": batches if major else 1,
            "weights": Array(_by_unit(node, WEIGHTS), "weights"),
            "recurrent": Array(_by_unit(node, RECURRENT), "recurrent"),
        }
        return Call(fields | self.arithmetic(node), (In(0), Out(0), Out(1), Out(2)))

    def arithmetic(self, node: Node) -> dict[str, Value]:
        """Biases and scales."""
        raise NotImplementedError(self.name)


@kernel
class LstmS8(_Lstm):
    """int8 with an int16 cell state."""

    name = "unidirectional_sequence_lstm_s8"
    dtype = DType.INT8

    def arithmetic(self, node: Node) -> dict[str, Value]:
        s = scaling(node)
        x, hidden = node.x.zp, node.input(HIDDEN).zp
        bias = [
            folded_bias(constant(node.input(w)), constant(node.input(b)), x)
            for w, b in zip(WEIGHTS, BIASES, strict=True)
        ]
        offset = [folded_bias(constant(node.input(r)), None, hidden) for r in RECURRENT]
        pairs = np.array([*s.inputs, *s.recurrent], np.int64)
        return {
            "bias": Array(np.ascontiguousarray(np.stack(bias, axis=1)), "bias"),
            "recurrent_bias": Array(np.ascontiguousarray(np.stack(offset, axis=1)), "recurrent_bias"),
            "multiplier": Array(pairs[:, 0].astype(np.int32), "multiplier"),
            "shift": Array(pairs[:, 1].astype(np.int8), "shift"),
            "update_shift": 30 + s.cell_log2,
            "cell_bits": 15 + s.cell_log2,
            "clip": s.clip or 32768,
            "hidden_multiplier": s.hidden[0],
            "hidden_shift": s.hidden[1],
            "hidden_zero_point": hidden_quantization(node)[1],
        }


@kernel
class LstmF32(_Lstm):
    """float32."""

    name = "unidirectional_sequence_lstm_f32"
    dtype = DType.FLOAT32

    def arithmetic(self, node: Node) -> dict[str, Value]:
        clip = node.float_attr("cell_clip")
        largest = float(np.finfo(np.float32).max)
        return {"bias": Array(_by_unit(node, BIASES), "bias"), "clip": CFloat(clip if clip > 0 else largest)}
