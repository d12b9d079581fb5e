"""UNIDIRECTIONAL_SEQUENCE_LSTM: a layer of LSTM cells over a sequence; hidden and cell state live on.

Rounding rule (``lstm_eval::EvalInteger8x8_16``), int8 with int16 cell state:

* a gate is the sum of two scaled int32 sums, of the inputs (with bias) and of the hidden state, each in Q3.12, rounded
  twice (high multiplication, then shift, ties away from zero) and saturated to int16;
* logistic and tanh are gemmlowp's 16-bit fixed-point functions, Q0.15 out (:mod:`mcu_gen.ops.fixed_point_16`);
* cell = forget cell 2^-15 + input update 2^-(30 + log2 of the cell scale), both rounded, ties away from zero, their sum
  saturated to int16 and clipped;
* hidden = output tanh(cell), scaled by 2^-30 / hidden scale (float32), plus the hidden zero point, saturated to int8.

The hidden scale and zero point are those of the operator's fifth intermediate tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Node, Operator, Tensor, TensorType, Verdict, register
from mcu_gen.ops.fixed_point import quantize_multiplier, requant_double, rounding_shift_right, wrap32
from mcu_gen.ops.fixed_point_16 import logistic, tanh
from mcu_gen.ops.fixed_point_functions import checked_log2

#: Inputs: weights of x and of the hidden state, and biases, in the order input, forget, update, output gate.
WEIGHTS, RECURRENT, BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (12, 13, 14, 15)
HIDDEN, CELL = 18, 19
_UNUSED = {"peephole connections": (9, 10, 11), "projection": (16, 17), "layer normalization": (20, 21, 22, 23)}


def only_the_basic_cell(node: Node) -> Verdict:
    """the cell has four gates, without peephole connections, projection and layer normalization"""
    found = [name for name, at in _UNUSED.items() if any(node.has_input(i) for i in at)]
    if any(not node.has_input(i) for i in (*WEIGHTS, *RECURRENT, *BIASES, HIDDEN, CELL)):
        found.append("fewer than four gates")
    return not found, f"it has {', '.join(found)}"


def activation_is_tanh(node: Node) -> Verdict:
    """the activation is tanh"""
    return node.str_attr("activation") == "tanh", f"it is {node.str_attr('activation')}"


def recurrent_weights_are_full(node: Node) -> Verdict:
    """recurrent weights are matrices, not diagonals"""
    return not node.bool_attr("diagonal"), "they are diagonals"


def states_are_variables(node: Node) -> Verdict:
    """hidden and cell state are variables of shape [batch, units]"""
    if not only_the_basic_cell(node)[0] or len(node.x.shape) != 3:
        return True, ""
    batches, units = node.x.shape[1 if node.bool_attr("time_major") else 0], node.input(BIASES[0]).elements
    found = (node.input(HIDDEN), node.input(CELL))
    ok = all(t.variable and t.shape == (batches, units) for t in found)
    return ok, ", ".join(f"{t.name} has shape {list(t.shape)}, variable: {t.variable}" for t in found)


def input_is_a_sequence(node: Node) -> Verdict:
    """the input has rank 3, [batch, time, inputs] or with time_major [time, batch, inputs], and is not empty"""
    return len(node.x.shape) == 3 and min(node.x.shape) > 0, f"{node.x.name} has shape {list(node.x.shape)}"


def weights_fit(node: Node) -> Verdict:
    """weights are constants [units, inputs] and [units, units], biases [units]; int8 and int32, or all float32"""
    if not only_the_basic_cell(node)[0]:
        return True, ""
    real = node.x.dtype is DType.FLOAT32
    units = node.input(BIASES[0]).elements
    shapes = {WEIGHTS: (units, node.x.shape[-1]), RECURRENT: (units, units), BIASES: (units,)}
    for group, shape in shapes.items():
        want = DType.FLOAT32 if real else DType.INT32 if group is BIASES else DType.INT8
        for t in map(node.input, group):
            if not t.is_constant or t.shape != shape or t.dtype is not want:
                return False, f"{t.name} is {t.dtype.value}{list(t.shape)}, constant: {t.is_constant}"
    return True, ""


def types_fit(node: Node) -> Verdict:
    """output and hidden state have the type of the input, the cell state is int16 for int8 inputs, else float32"""
    if not only_the_basic_cell(node)[0]:
        return True, ""
    cell = DType.FLOAT32 if node.x.dtype is DType.FLOAT32 else DType.INT16
    found = (node.y.dtype, node.input(HIDDEN).dtype, node.input(CELL).dtype)
    return found == (node.x.dtype, node.x.dtype, cell), ", ".join(t.value for t in found)


def hidden_quantization(node: Node) -> tuple[float, int]:
    """Scale and zero point of output gate x tanh(cell), the fifth intermediate tensor; (0, 0) where it has none."""
    intermediates = node.attr("intermediates")
    scale, zero_point = (intermediates[4:] or (None,))[0] or (0.0, 0)
    return (float(scale), int(zero_point)) if 0 < scale < float("inf") else (0.0, 0)


def _single(t: Tensor) -> bool:
    return t.quant is not None and t.quant.scale.size == 1 and 0 < t.s < float("inf")


def integers_are_quantized(node: Node) -> Verdict:
    """in int8 all tensors have one scale above 0, weights the zero point 0, and the hidden intermediate has a scale"""
    if node.x.dtype is DType.FLOAT32 or not only_the_basic_cell(node)[0]:
        return True, ""
    matrices = [node.input(i) for i in (*WEIGHTS, *RECURRENT)]
    for t in (node.x, node.input(HIDDEN), node.input(CELL), node.y, *matrices):
        if not _single(t):
            return False, f"{t.name} has no single scale"
    if any(t.zp for t in matrices):
        return False, "a weight tensor has another zero point"
    return hidden_quantization(node)[0] > 0, "the hidden intermediate has none"


def cell_scale_is_a_power_of_two(node: Node) -> Verdict:
    """in int8 the scale of the cell state is a power of two from 2^-15 to 2^-9"""
    if node.x.dtype is DType.FLOAT32 or not only_the_basic_cell(node)[0] or not _single(node.input(CELL)):
        return True, ""
    log2 = checked_log2(node.input(CELL).s)
    return log2 is not None and -15 <= log2 <= -9, f"it is {node.input(CELL).s:g}"


def sequence(node: Node) -> tuple[int, int, int, int]:
    """(batches, steps in time, inputs, units)."""
    first, second, inputs = node.x.shape
    batches, steps = (second, first) if node.bool_attr("time_major") else (first, second)
    return batches, steps, inputs, node.input(BIASES[0]).elements


@dataclass(frozen=True)
class Scaling:
    """``(multiplier, shift)`` of the four gates' sums of inputs and of hidden state, and of the hidden state."""

    inputs: tuple[tuple[int, int], ...]
    recurrent: tuple[tuple[int, int], ...]
    hidden: tuple[int, int]
    cell_log2: int
    #: bound of the cell state, 0: none
    clip: int


def scaling(node: Node) -> Scaling:
    """Factors of int8 (``PopulateQuantizedLstmParams8x8_16``), in float32."""
    gate = np.float32(2.0**-12)
    x, hidden = np.float32(node.x.s), np.float32(node.input(HIDDEN).s)
    cell = np.float32(node.input(CELL).s)
    log2 = checked_log2(float(cell))
    assert log2 is not None
    clip = np.float32(node.float_attr("cell_clip"))
    return Scaling(
        tuple(quantize_multiplier(float(np.float32(node.input(i).s) * x / gate)) for i in WEIGHTS),
        tuple(quantize_multiplier(float(np.float32(node.input(i).s) * hidden / gate)) for i in RECURRENT),
        quantize_multiplier(float(np.float32(2.0**-15 / float(np.float32(hidden_quantization(node)[0])) * 2.0**-15))),
        log2,
        int(min(clip / cell, np.float32(32767))) if clip > 0 else 0,
    )


@register
class UnidirectionalSequenceLstm(Operator):
    """x [N, T, I], weights, states [N, U] -> y [N, T, U], hidden state, cell state ([T, N, ...] with time_major)."""

    name = "unidirectional_sequence_lstm"
    builtin = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    dtypes = (DType.INT8, DType.FLOAT32)
    parameter_inputs = (*WEIGHTS, *RECURRENT, *BIASES)
    state_inputs = (HIDDEN, CELL)
    constraints = (
        only_the_basic_cell,
        input_is_a_sequence,
        activation_is_tanh,
        recurrent_weights_are_full,
        states_are_variables,
        weights_fit,
        types_fit,
        integers_are_quantized,
        cell_scale_is_a_power_of_two,
    )

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "activation": options["fused_activation_function"],
            "cell_clip": float(options["cell_clip"]),
            "time_major": bool(options["time_major"]),
            "diagonal": bool(options.get("diagonal_recurrent_tensors")),
            "intermediates": options["intermediates"],
        }

    def infer(self, node: Node) -> list[TensorType]:
        states = [TensorType(node.input(i).shape, node.input(i).dtype) for i in self.state_inputs]
        return [TensorType((*node.x.shape[:2], sequence(node)[3]), node.x.dtype), *states]

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x, hidden, cell = inputs[0], inputs[HIDDEN], inputs[CELL]
        assert x is not None
        assert hidden is not None
        assert cell is not None
        by_time = x if node.bool_attr("time_major") else np.swapaxes(x, 0, 1)
        step = _step_f32 if node.x.dtype is DType.FLOAT32 else _step_s8
        rows = []
        for now in by_time:
            hidden, cell = step(node, inputs, now, hidden, cell)
            rows.append(hidden)
        y = np.stack(rows, axis=0 if node.bool_attr("time_major") else 1)
        return [y, hidden, cell]

    def macs(self, node: Node) -> int:
        batches, steps, n, units = sequence(node)
        return batches * steps * 4 * units * (n + units)


def _constant(inputs: Sequence[np.ndarray | None], index: int) -> np.ndarray:
    value = inputs[index]
    assert value is not None
    return value


def _step_s8(
    node: Node, inputs: Sequence[np.ndarray | None], x: np.ndarray, hidden: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step: x [N, I], hidden [N, U], cell [N, U] -> hidden, cell."""
    s = scaling(node)
    value = x.astype(np.int64) - node.x.zp
    before = hidden.astype(np.int64) - node.input(HIDDEN).zp
    gates = []
    for g in range(4):
        dot = value @ _constant(inputs, WEIGHTS[g]).astype(np.int64).T + _constant(inputs, BIASES[g])
        total = np.clip(requant_double(wrap32(dot), *s.inputs[g]), -32768, 32767)
        dot = before @ _constant(inputs, RECURRENT[g]).astype(np.int64).T
        total = np.clip(requant_double(wrap32(dot), *s.recurrent[g]) + total, -32768, 32767)
        gates.append(tanh(total, 3) if g == 2 else logistic(total))
    kept = rounding_shift_right(gates[1] * cell.astype(np.int64), 15)
    new = np.clip(kept + rounding_shift_right(gates[0] * gates[2], 30 + s.cell_log2), -32768, 32767)
    if s.clip:
        new = np.clip(new, -s.clip, s.clip)
    out = requant_double(gates[3] * tanh(new, 15 + s.cell_log2), *s.hidden) + hidden_quantization(node)[1]
    return np.clip(out, -128, 127).astype(np.int8), new.astype(np.int16)


def _step_f32(
    node: Node, inputs: Sequence[np.ndarray | None], x: np.ndarray, hidden: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step: x [N, I], hidden [N, U], cell [N, U] -> hidden, cell."""
    gates = []
    for g in range(4):
        total = x.astype(np.float64) @ _constant(inputs, WEIGHTS[g]).astype(np.float64).T
        total = total + hidden.astype(np.float64) @ _constant(inputs, RECURRENT[g]).astype(np.float64).T
        total = total + _constant(inputs, BIASES[g])
        gates.append(np.tanh(total) if g == 2 else 1 / (1 + np.exp(-total)))
    new = gates[1] * cell + gates[0] * gates[2]
    clip = node.float_attr("cell_clip")
    if clip > 0:
        new = np.clip(new, -clip, clip)
    return (gates[3] * np.tanh(new)).astype(np.float32), new.astype(np.float32)
