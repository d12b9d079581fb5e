"""Operators that are constants in disguise, evaluated at import so that the rules of other operators see constants.

Converted Keras models compute the target of a RESHAPE from the batch size at run time (SHAPE, STRIDED_SLICE, PACK);
with a fixed input shape these are numbers.  Models with compressed weights store float16 or int8 and hold a DEQUANTIZE
per weight tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mcu_gen.frontends.tflite.parse import RawOp
from mcu_gen.graph import DType, Tensor

_MAX_ELEMENTS = 64


def fold_constant(op: RawOp, tensors: Mapping[int, Tensor]) -> np.ndarray | None:
    """The value of an operator that computes with shapes or unpacks weights, or None for every other one."""
    inputs = [tensors.get(i) for i in op.inputs]
    if len(op.outputs) != 1 or not inputs or any(t is None for t in inputs):
        return None
    first = inputs[0]
    assert first is not None
    if op.builtin == "SHAPE":
        wide = op.options.get("out_type") == "int64"
        return _frozen(np.array(first.shape, np.int64 if wide else np.int32))
    if op.builtin == "DEQUANTIZE" and len(inputs) == 1 and first.data is not None:
        return _dequantize(first)
    values = [t.data for t in inputs if t is not None and t.data is not None]
    if len(values) != len(inputs) or any(v.dtype.kind != "i" or v.size > _MAX_ELEMENTS for v in values):
        return None
    if op.builtin == "PACK" and len({(v.shape, v.dtype) for v in values}) == 1 and values[0].ndim == 0:
        return _frozen(np.stack(values)) if op.options.get("axis", 0) in (0, -1) else None
    if op.builtin == "STRIDED_SLICE" and len(values) == 4 and values[0].ndim == 1:
        return _strided_slice(op, values)
    if op.builtin == "REDUCE_PROD" and len(values) == 2 and values[0].ndim == 1:
        keep = bool(op.options.get("keep_dims"))
        return _frozen(np.asarray(np.prod(values[0], keepdims=keep), values[0].dtype))
    if op.builtin == "CONCATENATION" and all(v.ndim == 1 for v in values) and len({v.dtype for v in values}) == 1:
        return _frozen(np.concatenate(values))
    return None


def _dequantize(tensor: Tensor) -> np.ndarray | None:
    """``scale * (q - zero point)`` in float32, as ``reference_ops::Dequantize`` and ``PerChannelDequantize``."""
    assert tensor.data is not None
    if tensor.dtype is DType.FLOAT16:
        return _frozen(tensor.data.astype(np.float32))
    if tensor.quant is None:
        return None
    shape = [1] * len(tensor.shape)
    if tensor.quant.axis is not None:
        shape[tensor.quant.axis] = tensor.shape[tensor.quant.axis]
    scale, zero_point = tensor.quant.scale.reshape(shape), tensor.quant.zero_point.reshape(shape)
    # An integer of at most 17 bits times a float32 is exact in double: one rounding, as in LiteRT.
    return _frozen((scale.astype(np.float64) * (tensor.data.astype(np.int64) - zero_point)).astype(np.float32))


def _strided_slice(op: RawOp, values: Sequence[np.ndarray]) -> np.ndarray | None:
    x, begin, end, stride = values
    if not all(v.shape == (1,) for v in (begin, end, stride)) or stride[0] == 0:
        return None
    if any(op.options.get(k) for k in ("ellipsis_mask", "new_axis_mask", "offset")):
        return None
    if op.options.get("shrink_axis_mask", 0) & 1:
        index = int(begin[0])
        return _frozen(np.asarray(x[index])) if -len(x) <= index < len(x) else None
    first = None if op.options.get("begin_mask", 0) & 1 else int(begin[0])
    last = None if op.options.get("end_mask", 0) & 1 else int(end[0])
    taken = x[first : last : int(stride[0])]
    return _frozen(taken.copy()) if taken.size else None


def _frozen(value: np.ndarray) -> np.ndarray:
    value.flags.writeable = False
    return value
