"""Builds small .tflite models in Python, without TensorFlow, for tests.

A model is described by names; the builder keeps indices, buffers, operator codes and operator versions in order::

    b = ModelBuilder()
    b.tensor("x", (1, 8), "int8", scale=0.5, zero_point=-3)
    b.tensor("w", (4, 8), "int8", scale=0.1, data=weights)
    b.tensor("y", (1, 4), "int8", scale=0.7)
    b.op("FULLY_CONNECTED", ["x", "w", None], ["y"], options={"fused_activation_function": "relu"})
    model = b.inputs(["x"]).outputs(["y"]).build()

Nothing is checked: malformed models are built on purpose.  :attr:`ModelBuilder.model` is the object tree that
:meth:`ModelBuilder.build` packs; a test may bend it first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FILE_IDENTIFIER = b"TFL3"

#: Options table of the builtin operators that have one under another name than their own.
_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "SVDF": "SVDFOptions",
    "LSTM": "LSTMOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY"),
        "ReducerOptions",
    ),
}

_ENUMS = {
    "padding": schema.Padding,
    "fused_activation_function": schema.ActivationFunctionType,
    "weights_format": schema.FullyConnectedOptionsWeightsFormat,
    "quantized_bias_type": schema.TensorType,
    "in_data_type": schema.TensorType,
    "out_data_type": schema.TensorType,
    "out_type": schema.TensorType,
    "output_type": schema.TensorType,
}

#: Versions that TensorFlow's converter gives to an operator: {builtin: {dtype of the first input: version}}, else 1.
_INT8_2_INT16_3 = {"int8": 2, "uint8": 1, "int16": 3}
_VERSIONS: dict[str, dict[str, int]] = {
    "CONV_2D": {"int8": 3, "int16": 4},
    "DEPTHWISE_CONV_2D": {"int8": 3, "int16": 5},
    "FULLY_CONNECTED": {"int8": 4, "int16": 7},
    "ADD": _INT8_2_INT16_3,
    "SUB": {"int8": 2, "int16": 5},
    "MUL": {"int8": 2, "int16": 4},
    "AVERAGE_POOL_2D": _INT8_2_INT16_3,
    "MAX_POOL_2D": _INT8_2_INT16_3,
    "MEAN": _INT8_2_INT16_3,
    "SUM": {"int8": 2},
    "PAD": _INT8_2_INT16_3,
    "PADV2": _INT8_2_INT16_3,
    "TRANSPOSE": {"int8": 2, "int16": 3, "bool": 3},
    "CONCATENATION": _INT8_2_INT16_3,
    "SLICE": {"int8": 2, "int16": 4},
    "STRIDED_SLICE": {"int8": 2, "bool": 3, "int16": 4},
    "RELU": {"int8": 2, "uint8": 2, "int16": 3},
    "RELU6": {"int8": 2, "uint8": 2, "int16": 3},
    "LEAKY_RELU": {"int8": 2, "int16": 2},
    "LOGISTIC": _INT8_2_INT16_3,
    "TANH": _INT8_2_INT16_3,
    "SOFTMAX": _INT8_2_INT16_3,
    "RESIZE_NEAREST_NEIGHBOR": {"int8": 2, "int16": 4},
    "RESIZE_BILINEAR": {"int8": 2, "int16": 4},
    "MAXIMUM": {"int8": 2},
    "MINIMUM": {"int8": 2},
    "SPLIT": {"int8": 2},
    "TRANSPOSE_CONV": {"int8": 2, "int16": 3},
    "BATCH_MATMUL": {"int8": 2, "int16": 3},
    "GELU": {"int8": 2, "int16": 2},
    "RSQRT": {"int8": 2, "int16": 3},
    "ARG_MAX": {"int8": 2},
    "ARG_MIN": {"int8": 2},
    "LOG_SOFTMAX": {"int8": 2},
    "L2_NORMALIZATION": {"int8": 2},
    "PACK": {"int8": 2, "int16": 4},
    "UNPACK": {"int8": 2, "int16": 4},
    "SQUARED_DIFFERENCE": {"int8": 2},
    "SVDF": {"int8": 3},
    "DIV": {},
    "BROADCAST_TO": dict.fromkeys(("int8", "uint8", "int16", "int32", "int64", "float32", "bool"), 2),
    "QUANTIZE": {"int8": 2, "uint8": 2, "int16": 2},
    "DEQUANTIZE": {"int8": 2, "int16": 3, "float16": 3},
}


def _enum(enum: Any, text: str) -> int:
    members = {k.lower(): v for k, v in vars(enum).items() if not k.startswith("_")}
    return int(members[text.lower()])


def _dtype_name(dtype: Any) -> str:
    """``"int8"``, an enum member whose value is that name, or anything NumPy takes for a dtype."""
    name = getattr(dtype, "value", dtype)
    return name if isinstance(name, str) else np.dtype(name).name


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data are 16-byte aligned in the file, as the schema asks (``force_align``)."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        vector = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = bytes(self.data)
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        schema.BufferAddOffset(builder, self.offset)
        schema.BufferAddSize(builder, self.size)
        return int(schema.BufferEnd(builder))


class ModelBuilder:
    """Collects tensors and operators of one subgraph; every method returns the builder."""

    def __init__(self, description: str = "built by a test") -> None:
        self.subgraph = schema.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[], name=b"main")
        self.model = schema.ModelT(
            version=3,
            operatorCodes=[],
            subgraphs=[self.subgraph],
            description=description.encode(),
            buffers=[_Buffer()],  # buffer 0 is empty by convention
        )
        self._index: dict[str, int] = {}
        self._dtypes: list[str] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any = "int8",
        *,
        scale: float | Sequence[float] | np.ndarray | None = None,
        zero_point: int | Sequence[int] | np.ndarray = 0,
        axis: int | None = None,
        data: Any = None,
        buffer: bytes | None = None,
        variable: bool = False,
        shape_signature: Sequence[int] | None = None,
    ) -> ModelBuilder:
        """Adds a tensor.

        Args:
            scale: one scale, or one per index of ``axis``; None for a tensor without quantization.
            zero_point: one zero point, or as many as scales; one is repeated.
            axis: the quantized dimension.
            data: the values of a constant, converted to ``dtype``.
            buffer: the raw bytes of a constant, instead of ``data``; need not fit the shape.
        """
        dtype_name = _dtype_name(dtype)
        t = schema.TensorT()
        t.name = name.encode()
        t.shape = [int(d) for d in shape]
        t.type = _enum(schema.TensorType, dtype_name)
        t.isVariable = variable
        t.hasRank = True
        if shape_signature is not None:
            t.shapeSignature = [int(d) for d in shape_signature]
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            q = schema.QuantizationParametersT()
            q.scale = [float(s) for s in scales]
            q.zeroPoint = [int(z) for z in np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)]
            q.quantizedDimension = axis or 0
            t.quantization = q
        if data is not None:
            array = np.ascontiguousarray(np.asarray(data), np.dtype(dtype_name))
            buffer = array.astype(array.dtype.newbyteorder("<")).tobytes()
        if buffer is not None:
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(_Buffer(data=buffer))
        self._index[name] = len(self.subgraph.tensors)
        self._dtypes.append(dtype_name)
        self.subgraph.tensors.append(t)
        return self

    def op(
        self,
        builtin: str,
        inputs: Sequence[str | None],
        outputs: Sequence[str],
        *,
        options: Mapping[str, Any] | None = None,
        version: int | None = None,
        custom: str | None = None,
        intermediates: Sequence[str] = (),
    ) -> ModelBuilder:
        """Adds an operator; an input that is None is left out (index -1).

        Args:
            builtin: name in the schema, ``CONV_2D``; ``CUSTOM`` together with ``custom``, its code.
            options: fields of the options table in snake case; enums as lower-case strings (``"same"``, ``"relu6"``).
            intermediates: tensors that hold the quantization of values inside the operator.
            version: instead of the version that the converter gives for the type of the first input.
        """
        if version is None:
            present = [i for i in inputs if i is not None]
            dtype = self._dtypes[self._index[present[0]]] if present else "float32"
            version = self._version(builtin, dtype, inputs, options or {})
        o = schema.OperatorT()
        o.opcodeIndex = self._opcode(builtin, version, custom)
        o.inputs = [-1 if i is None else self._index[i] for i in inputs]
        o.outputs = [self._index[i] for i in outputs]
        if intermediates:
            o.intermediates = [self._index[i] for i in intermediates]
        table = _OPTIONS.get(builtin) or builtin.replace("_", " ").title().replace(" ", "") + "Options"
        kind = getattr(schema.BuiltinOptions, table, 0)
        if kind:
            o.builtinOptionsType = kind
            o.builtinOptions = getattr(schema, table + "T")()
            if builtin in ("ADD", "SUB"):  # the converter writes false; the schema's default makes LiteRT abort
                o.builtinOptions.potScaleInt16 = False
            for key, value in (options or {}).items():
                attribute = next(a for a in vars(o.builtinOptions) if a.lower() == key.replace("_", "").lower())
                setattr(
                    o.builtinOptions,
                    attribute,
                    _enum(_ENUMS[key], value) if isinstance(value, str) else value,
                )
        elif options:
            raise ValueError(f"{builtin} has no options, got {dict(options)}")
        self.subgraph.operators.append(o)
        return self

    def inputs(self, names: Sequence[str]) -> ModelBuilder:
        self.subgraph.inputs = [self._index[n] for n in names]
        return self

    def outputs(self, names: Sequence[str]) -> ModelBuilder:
        self.subgraph.outputs = [self._index[n] for n in names]
        return self

    def signature(
        self,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        key: str = "serving_default",
    ) -> ModelBuilder:
        """Adds a signature: names for the outside -> tensor names."""

        def maps(names: Mapping[str, str]) -> list[Any]:
            return [schema.TensorMapT(name=k.encode(), tensorIndex=self._index[v]) for k, v in names.items()]

        signature = schema.SignatureDefT(
            inputs=maps(inputs),
            outputs=maps(outputs),
            signatureKey=key.encode(),
            subgraphIndex=0,
        )
        self.model.signatureDefs = [*(self.model.signatureDefs or []), signature]
        return self

    def build(self) -> bytes:
        """The model file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _opcode(self, builtin: str, version: int, custom: str | None) -> int:
        code = _enum(schema.BuiltinOperator, builtin)
        name = None if custom is None else custom.encode()
        for i, c in enumerate(self.model.operatorCodes):
            if (c.builtinCode, c.version, c.customCode) == (code, version, name):
                return i
        self.model.operatorCodes.append(
            schema.OperatorCodeT(
                deprecatedBuiltinCode=min(code, 127),
                builtinCode=code,
                version=version,
                customCode=name,
            )
        )
        return len(self.model.operatorCodes) - 1

    def _version(
        self,
        builtin: str,
        dtype: str,
        inputs: Sequence[str | None],
        options: Mapping[str, Any],
    ) -> int:
        version = _VERSIONS.get(builtin, {}).get(dtype, 1)
        rank = max(
            (len(self.subgraph.tensors[self._index[i]].shape) for i in inputs if i is not None),
            default=0,
        )
        dilated = any(options.get(k, 1) != 1 for k in ("dilation_w_factor", "dilation_h_factor"))
        if builtin in ("CONV_2D", "DEPTHWISE_CONV_2D") and dilated:
            version = max(version, 2)
        if builtin == "FULLY_CONNECTED":
            if options.get("keep_num_dims"):
                version = max(version, 5)
            if len(inputs) < 3 or inputs[2] is None:
                version = max(version, 6)
        if builtin == "RESIZE_NEAREST_NEIGHBOR" and (options.get("half_pixel_centers") or options.get("align_corners")):
            version = max(version, 3)
        if rank > 4:
            version = max(
                version,
                {
                    "TRANSPOSE": 4,
                    "SLICE": 5,
                    "STRIDED_SLICE": 4,
                    "ADD": 4,
                    "SUB": 3,
                }.get(builtin, 1),
            )
        return version
