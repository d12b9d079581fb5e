"""Dynamic-range ("hybrid") model files: int8 weights with float activations become float weights again.

The converter makes such files when it is told to optimize without calibration data.  They cannot run as int8, but the
real numbers that their weights stand for can be quantized again.
"""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers
import numpy as np

from mcu_gen.frontends.tflite import schema

#: Operators with weights, and which input holds them.
_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1}


def float_weights(data: bytes) -> bytes:
    """The model file with int8 weights of float operators as float32; ``data`` itself when there are none.

    A damaged file is returned as it is: the importer says what is wrong with it.
    """
    try:
        model = schema.module().ModelT.InitFromPackedBuf(data, 0)
        changed = _convert(model)
    except (struct.error, ValueError, TypeError, IndexError, AttributeError, OverflowError, MemoryError):
        return data
    if not changed:
        return data
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _convert(model: Any) -> bool:
    s = schema.module()
    float32, int8 = s.TensorType.FLOAT32, s.TensorType.INT8
    done: set[int] = set()
    for graph in model.subgraphs:
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            at = _WEIGHTS.get(schema.builtin_name(max(code.builtinCode, code.deprecatedBuiltinCode)))
            if at is None or len(op.inputs) <= at:
                continue
            x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[at]]
            if x.type != float32 or w.type != int8 or w.quantization is None or op.inputs[at] in done:
                continue
            done.add(int(op.inputs[at]))
            shape = [int(d) for d in w.shape]
            codes = np.frombuffer(bytes(model.buffers[w.buffer].data), np.int8).reshape(shape)
            along = [1] * len(shape)
            if len(w.quantization.scale) > 1:
                along[w.quantization.quantizedDimension] = -1
            scale = np.asarray(w.quantization.scale, np.float32).reshape(along)
            real = codes.astype(np.float32) * scale
            model.buffers.append(s.BufferT(data=np.frombuffer(real.astype("<f4").tobytes(), np.uint8)))
            w.buffer, w.type, w.quantization = len(model.buffers) - 1, float32, None
    return bool(done)
