"""Dynamic-range ("hybrid") models: int8 weights with float activations become float weights again.

The converter makes such files when it is told to optimize without calibration data.  They cannot run as int8, but the
real numbers that their weights stand for can be quantized again.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from mcu_gen.frontends.tflite.importer import import_model
from mcu_gen.frontends.tflite.parse import RawModel, RawTensor, parse
from mcu_gen.graph import Graph

#: Operators with weights, and which input holds them.
_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1}


def load_float(data: bytes, name: str) -> Graph:
    """The graph of a .tflite file, in which int8 weights of float operators are float32.

    Raises:
        ModelFileError: the file is damaged or contradicts itself.
        UnsupportedModelError: it holds something that is not supported.
    """
    graph = import_model(float_weights(parse(data)), name)
    graph.sha256 = hashlib.sha256(data).hexdigest()
    return graph


def float_weights(model: RawModel) -> RawModel:
    """``model`` with int8 weights of float operators as the real numbers that they stand for."""
    tensors = list(model.tensors)
    for op in model.ops:
        at = _WEIGHTS.get(op.builtin, len(op.inputs))
        if at < len(op.inputs) and min(op.inputs[0], op.inputs[at]) >= 0 and tensors[op.inputs[0]].type == "float32":
            tensors[op.inputs[at]] = _as_float(tensors[op.inputs[at]])
    return dataclasses.replace(model, tensors=tensors)


def _as_float(weights: RawTensor) -> RawTensor:
    """What cannot be read as int8 codes with scales stays: the importer says what is wrong with it."""
    quant, shape = weights.quant, weights.shape
    if weights.type != "int8" or quant is None or len(weights.data) != int(np.prod(shape, dtype=object)):
        return weights
    along = [1] * len(shape)
    if quant.scale.size > 1:
        if not 0 <= quant.axis < len(shape) or shape[quant.axis] != quant.scale.size:
            return weights
        along[quant.axis] = -1
    if quant.scale.size < 1 or quant.zero_point.size not in (1, quant.scale.size):
        return weights
    codes = np.frombuffer(weights.data, np.int8).reshape(shape).astype(np.float32)
    zero_point = np.broadcast_to(quant.zero_point.astype(np.float32), quant.scale.shape)
    real = (codes - zero_point.reshape(along)) * quant.scale.astype(np.float32).reshape(along)
    return dataclasses.replace(weights, type="float32", quant=None, data=memoryview(real.astype("<f4").tobytes()))
