"""Tensors of the file -> tensors of the graph: types, shapes, constants and quantization, with every rule checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from mcu_gen.frontends.tflite.parse import RawModel, RawQuant, RawTensor
from mcu_gen.graph import DType, QuantParams, Tensor

MAX_RANK = 8
#: No tensor of a network for a microcontroller comes near; a damaged shape does.
MAX_TENSOR_BYTES = 256 << 20
#: Larger scales overflow the fixed-point arithmetic of the reference kernels, whose results are then undefined.
MAX_SCALE = 1e9

_QUANTIZED = (DType.INT8, DType.UINT8, DType.INT16)


@dataclass
class Findings:
    """Everything that is wrong with a model, collected so that the user sees it at once."""

    broken: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: tensors whose quantized_dimension means nothing
    ignored_axes: list[str] = field(default_factory=list)

    def hint(self, text: str) -> None:
        if text not in self.hints:
            self.hints.append(text)


def unique_names(tensors: list[RawTensor]) -> list[str]:
    """A name per tensor: as in the file, made printable, not empty, unique."""
    taken: set[str] = set()
    names = []
    for t in tensors:
        base = re.sub(r"[\x00-\x1f\x7f]", "_", t.name).strip() or f"tensor_{t.index}"
        name, i = base, 0
        while name in taken:
            i += 1
            name = f"{base}_{i}"
        taken.add(name)
        names.append(name)
    return names


def used_tensors(model: RawModel) -> list[int]:
    """Indices of the tensors that an operator or the interface names, in ascending order."""
    used = {*model.inputs, *model.outputs}
    for op in model.ops:
        used.update(i for i in (*op.inputs, *op.outputs) if i >= 0)
    return sorted(used)


def convert_tensor(raw: RawTensor, name: str, constant: bool, findings: Findings) -> Tensor | None:
    """The tensor of the graph, or None when ``findings`` says why there is none.

    Args:
        constant: its value is the buffer of the file.
    """
    where = f"tensor {name}"
    if raw.type not in {d.value for d in DType}:
        findings.unsupported.append(f"{where}: elements of type {raw.type}")
        return None
    dtype = DType(raw.type)
    problems = [
        text
        for bad, text in (
            (raw.sparse, "is stored sparse"),
            (raw.variant, "is a variant"),
            (raw.external, "has its data in another file"),
            (len(raw.shape) > MAX_RANK, f"has {len(raw.shape)} dimensions, at most {MAX_RANK} are supported"),
        )
        if bad
    ]
    if raw.sparse:
        findings.hint("convert the model again without sparsity (densify the weights)")
    if any(d < 0 for d in raw.shape):
        problems.append(f"has the shape {list(raw.shape)}; every dimension must be known")
        findings.hint("fix the input shape (batch 1) before converting: tf.keras.Input(shape, batch_size=1)")
    elif any(d == 0 for d in raw.shape):
        problems.append(f"has the shape {list(raw.shape)}, no elements")
    elif math.prod(raw.shape) * dtype.size > MAX_TENSOR_BYTES:
        problems.append(
            f"has the shape {list(raw.shape)}, {math.prod(raw.shape) * dtype.size:,} bytes; "
            f"at most {MAX_TENSOR_BYTES:,} are supported"
        )
    if problems:
        findings.unsupported.extend(f"{where} {p}" for p in problems)
        return None
    data = None
    if constant:
        want = math.prod(raw.shape) * dtype.size
        if len(raw.data) != want:
            findings.broken.append(
                f"{where}: its buffer has {len(raw.data):,} bytes, {dtype.value}{list(raw.shape)} needs {want:,}"
            )
            return None
        if dtype is DType.BOOL and np.any(np.frombuffer(raw.data, np.uint8) > 1):
            findings.broken.append(f"{where}: a bool is neither 0 nor 1")
            return None
        little = np.frombuffer(raw.data, dtype.numpy.newbyteorder("<"))
        data = little.astype(dtype.numpy).reshape(raw.shape)
        data.flags.writeable = False
    before = len(findings.broken) + len(findings.unsupported)
    quant = _convert_quant(raw.quant, raw.shape, dtype, constant, where, findings)
    if len(findings.broken) + len(findings.unsupported) > before:
        return None
    return Tensor(name, raw.shape, dtype, quant, data, raw.variable)


def _convert_quant(
    raw: RawQuant | None, shape: tuple[int, ...], dtype: DType, constant: bool, where: str, findings: Findings
) -> QuantParams | None:
    if raw is None or dtype.is_float or dtype is DType.BOOL:
        return None
    if raw.details:
        findings.unsupported.append(f"{where} is quantized by a scheme that is not affine (details {raw.details})")
        return None
    scale, zero_point = raw.scale, raw.zero_point
    if not len(scale):
        return None
    if len(zero_point) != len(scale):
        findings.broken.append(f"{where} has {len(scale)} scales and {len(zero_point)} zero points")
        return None
    # A channel of a constant whose values are all 0 may have the scale 0.
    if not np.all(np.isfinite(scale)) or np.any(scale < 0) or (not constant and np.any(scale == 0)):
        worst = scale[~np.isfinite(scale) | (scale <= 0)][0]
        findings.broken.append(f"{where} has the scale {worst:g}; scales are positive numbers")
        return None
    if np.any(scale > MAX_SCALE):
        findings.unsupported.append(f"{where} has the scale {scale.max():g}; at most {MAX_SCALE:g} is supported")
        return None
    low, high = (0, 255) if dtype is DType.UINT8 else (-(1 << (8 * dtype.size - 1)), (1 << (8 * dtype.size - 1)) - 1)
    outside = zero_point[(zero_point < low) | (zero_point > high)]
    if outside.size:
        worst = outside[0]
        findings.broken.append(f"{where} has the zero point {worst}, outside {dtype.value}")
        return None
    if dtype not in (DType.INT8, DType.UINT8) and np.any(zero_point != 0):
        findings.unsupported.append(
            f"{where} is {dtype.value} with the zero point {zero_point[zero_point != 0][0]}; it must be 0"
        )
        return None
    axis = raw.axis
    if len(scale) == 1:
        if axis and not 0 <= axis < max(len(shape), 1):
            findings.ignored_axes.append(where.removeprefix("tensor "))
        return QuantParams(scale.astype(np.float32), zero_point.astype(np.int64))
    if len(shape) == 1 and axis != 0:
        findings.ignored_axes.append(where.removeprefix("tensor "))
        axis = 0
    if not 0 <= axis < len(shape):
        findings.broken.append(f"{where} is quantized along dimension {axis}, but has {len(shape)} dimensions")
        return None
    if shape[axis] != len(scale):
        findings.broken.append(f"{where} has {len(scale)} scales for {shape[axis]} channels (dimension {axis})")
        return None
    if not constant:
        findings.unsupported.append(f"{where} is an activation with a scale per channel")
        return None
    return QuantParams(scale.astype(np.float32), zero_point.astype(np.int64), axis)


def needs_quantization(tensor: Tensor) -> bool:
    """Whether the elements mean nothing without scale and zero point, and there are none."""
    return tensor.dtype in _QUANTIZED and tensor.quant is None
