"""Writes a graph as a .tflite file that LiteRT, TFLite Micro and :mod:`mcu_gen.frontends` read.

The inverse of the importer: operators get their builtin code, options table and version, tensors their quantization and
data.  What the format cannot say (explicit paddings that a pass made) is written as operators that it can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.frontends.tflite import schema
from mcu_gen.graph import DType, Graph, Node, Op, QuantParams, Tensor, operator

_FILE_IDENTIFIER = b"TFL3"
_FORMAT_VERSION = 3

#: Attribute -> field of the options table, where the name is not the same; "" for what no table holds.
_FIELDS = {
    "activation": "fused_activation_function",
    "dilation_h": "dilation_h_factor",
    "dilation_w": "dilation_w_factor",
    "filter_h": "filter_height",
    "filter_w": "filter_width",
    "bias_type": "quantized_bias_type",
    "pad": "",
    "intermediates": "",
}

#: The same for single operators.
_OWN_FIELDS = {
    ("fully_connected", "keep_dims"): "keep_num_dims",
    ("unidirectional_sequence_lstm", "diagonal"): "diagonal_recurrent_tensors",
}

_ENUMS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
    "quantized_bias_type": "TensorType",
    "output_type": "TensorType",
}

#: Operator versions of the TensorFlow converter by type of the first input; 1 where nothing is said.
_VERSIONS: dict[str, dict[DType, int]] = {
    "add": {DType.INT8: 2, DType.INT16: 3},
    "average_pool2d": {DType.INT8: 2, DType.INT16: 3},
    "max_pool2d": {DType.INT8: 2, DType.INT16: 3},
    "mean": {DType.INT8: 2, DType.INT16: 3},
    "pad": {DType.INT8: 2, DType.INT16: 3},
    "concatenation": {DType.INT8: 2, DType.INT16: 3},
    "relu": {DType.INT8: 2, DType.UINT8: 2, DType.INT16: 3},
    "relu6": {DType.INT8: 2, DType.UINT8: 2, DType.INT16: 3},
    "logistic": {DType.INT8: 2, DType.INT16: 3},
    "tanh": {DType.INT8: 2, DType.INT16: 3},
    "conv2d": {DType.INT8: 3, DType.INT16: 4},
    "depthwise_conv2d": {DType.INT8: 3, DType.INT16: 5},
    "fully_connected": {DType.INT8: 4, DType.INT16: 7},
    "sub": {DType.INT8: 2, DType.INT16: 5},
    "mul": {DType.INT8: 2, DType.INT16: 4},
    "softmax": {DType.INT8: 2, DType.INT16: 3},
    "transpose": {DType.INT8: 2, DType.INT16: 3},
    "slice": {DType.INT8: 2, DType.INT16: 4},
    "strided_slice": {DType.INT8: 2, DType.BOOL: 3, DType.INT16: 4},
    "resize_nearest_neighbor": {DType.INT8: 2, DType.INT16: 4},
    "leaky_relu": {DType.INT8: 2, DType.INT16: 2},
    "quantize": {DType.INT8: 2, DType.UINT8: 2, DType.INT16: 2},
    "dequantize": {DType.INT8: 2, DType.INT16: 3, DType.FLOAT16: 3},
    "transpose_conv": {DType.INT8: 2, DType.INT16: 3},
    "maximum": {DType.INT8: 2},
    "minimum": {DType.INT8: 2},
    "sum": {DType.INT8: 2},
    "padv2": {DType.INT8: 2, DType.INT16: 3},
    "split": {DType.INT8: 2},
    "pack": {DType.INT8: 2, DType.INT16: 4},
    "unpack": {DType.INT8: 2, DType.INT16: 4},
    "batch_matmul": {DType.INT8: 2, DType.INT16: 3},
    "resize_bilinear": {DType.INT8: 2, DType.INT16: 4},
    "squared_difference": {DType.INT8: 2},
    "gelu": {DType.INT8: 2, DType.INT16: 2},
    "rsqrt": {DType.INT8: 2, DType.INT16: 3},
    "arg_max": {DType.INT8: 2},
    "arg_min": {DType.INT8: 2},
    "l2_normalization": {DType.INT8: 2},
    "log_softmax": {DType.INT8: 2},
    "svdf": {DType.INT8: 3},
}


def write_tflite(graph: Graph, description: str = "mcu-gen") -> bytes:
    """``graph`` as the bytes of a .tflite file; equal graphs give equal bytes.

    Raises:
        UnsupportedModelError: an operator or attribute has no form in the file format; all of them are listed.
        ToolMissingError: ``ai-edge-litert``, which holds the schema, is not installed.
    """
    return _Writer(_with_pad_operators(graph), description).run()


class _Writer:
    def __init__(self, graph: Graph, description: str) -> None:
        self.graph = graph
        self.s = schema.module()
        self.index = {name: i for i, name in enumerate(graph.tensors)}
        self.codes: dict[tuple[int, int], int] = {}
        self.buffers: list[bytes] = [b""]  # buffer 0 is empty by convention
        self.reasons: list[str] = []
        #: tensors that no graph holds: they say how values inside an operator are quantized
        self.intermediates: list[Any] = []
        self.description = description

    def run(self) -> bytes:
        s, graph = self.s, self.graph
        subgraph = s.SubGraphT(
            tensors=[self.tensor(t) for t in graph.tensors.values()],
            operators=[self.operator(node) for node in graph.nodes()],
            inputs=[self.index[n] for n in graph.inputs],
            outputs=[self.index[n] for n in graph.outputs],
            name=b"main",
        )
        subgraph.tensors += self.intermediates
        if self.reasons:
            raise UnsupportedModelError("the graph cannot be written as .tflite", reasons=self.reasons)
        model = s.ModelT(
            version=_FORMAT_VERSION,
            operatorCodes=[
                s.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version)
                for code, version in self.codes
            ],
            subgraphs=[subgraph],
            description=self.description.encode(),
            buffers=[_AlignedBuffer(s, data) for data in self.buffers],
            signatureDefs=self.signatures(),
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
        return bytes(builder.Output())

    def tensor(self, tensor: Tensor) -> Any:
        t = self.s.TensorT()
        t.name = tensor.name.encode()
        t.shape = [int(d) for d in tensor.shape]
        t.hasRank = True
        t.type = getattr(self.s.TensorType, tensor.dtype.value.upper())
        t.isVariable = tensor.variable
        if tensor.quant is not None:
            t.quantization = self.quantization(tensor.quant)
        if tensor.data is not None:
            t.buffer = len(self.buffers)
            data = np.ascontiguousarray(tensor.data)
            self.buffers.append(data.astype(data.dtype.newbyteorder("<")).tobytes())
        return t

    def quantization(self, quant: QuantParams) -> Any:
        q = self.s.QuantizationParametersT()
        q.scale = [float(v) for v in quant.scale]
        q.zeroPoint = [int(v) for v in quant.zero_point]
        q.quantizedDimension = quant.axis or 0
        return q

    def operator(self, node: Node) -> Any:
        impl = operator(node.type)
        builtin = impl.builtin
        code = getattr(self.s.BuiltinOperator, builtin, None) if builtin else None
        if code is None:
            self.reasons.append(f"layer {node.name}: operator {node.type} has no counterpart in the format")
            return None
        key = (int(code), _version(node))
        o = self.s.OperatorT()
        o.opcodeIndex = self.codes.setdefault(key, len(self.codes))
        o.inputs = [-1 if n is None else self.index[n] for n in impl.to_file(node.op.inputs)]
        written = len(node.op.outputs) - len(impl.state_inputs)
        o.outputs = [self.index[n] for n in node.op.outputs[:written]]
        table = schema.options_class(builtin)
        if table is not None:
            o.builtinOptionsType, o.builtinOptions = table[0], table[1]()
        for key_, value in node.op.attrs.items():
            problem = self.set_option(o.builtinOptions if table is not None else None, node.type, key_, value)
            if problem:
                self.reasons.append(f"layer {node.name}: {problem}")
        first = len(self.index) + len(self.intermediates)
        self.intermediates += [
            self.intermediate(node, i, q) for i, q in enumerate(node.op.attrs.get("intermediates", ()))
        ]
        if "intermediates" in node.op.attrs:
            o.intermediates = list(range(first, len(self.index) + len(self.intermediates)))
        return o

    def intermediate(self, node: Node, number: int, quant: tuple[float, int] | None) -> Any:
        """A tensor without data for the quantization of a value inside an operator (LSTM: four gates, hidden state)."""
        params = None if quant is None else QuantParams.per_tensor(*quant)
        dtype = DType.FLOAT32 if quant is None else DType.INT8 if number == 4 else DType.INT16
        return self.tensor(Tensor(f"{node.name}/intermediate{number}", (), dtype, params))

    def set_option(self, options: Any, op_type: str, name: str, value: Any) -> str | None:
        """Sets the field of ``options`` that holds attribute ``name``; says why it cannot."""
        field = _OWN_FIELDS.get((op_type, name), _FIELDS.get(name, name))
        if not field:
            return None
        if field == "quantized_bias_type" and value == "default":
            return None
        if isinstance(value, str):
            members: Mapping[str, int] = {
                text.lower(): number for number, text in schema.enum_names(_ENUMS.get(field, "Padding")).items()
            }
            if field not in _ENUMS or value not in members:
                return f"attribute {name} is {value}, which the format does not know"
            value = members[value]
        elif isinstance(value, tuple):
            value = list(value)
        camel = re.sub(r"_(\w)", lambda m: m.group(1).upper(), field)
        if options is None or camel not in vars(options):
            return f"attribute {name} has no field in the format"
        setattr(options, camel, value)
        return None

    def signatures(self) -> list[Any] | None:
        """The outer names of inputs and outputs as a signature, when every one of them has such a name."""
        s, outer = self.s, {tensor: alias for alias, tensor in self.graph.aliases.items()}
        ends = [*self.graph.inputs, *self.graph.outputs]
        if not outer or not all(n in outer for n in ends):
            return None

        def maps(names: list[str]) -> list[Any]:
            return [s.TensorMapT(name=outer[n].encode(), tensorIndex=self.index[n]) for n in names]

        return [
            s.SignatureDefT(
                inputs=maps(self.graph.inputs),
                outputs=maps(self.graph.outputs),
                signatureKey=b"serving_default",
                subgraphIndex=0,
            )
        ]


class _AlignedBuffer:
    """A buffer whose data are 16-byte aligned in the file, as the schema asks (``force_align``)."""

    def __init__(self, s: Any, data: bytes) -> None:
        self.s, self.data = s, data

    def Pack(self, builder: Any) -> int:
        vector = None
        if self.data:
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            vector = builder.EndVector()
        self.s.BufferStart(builder)
        if vector is not None:
            self.s.BufferAddData(builder, vector)
        return int(self.s.BufferEnd(builder))


def _version(node: Node) -> int:
    version = _VERSIONS.get(node.type, {}).get(node.x.dtype, 1)
    attrs = node.op.attrs
    if node.type in ("conv2d", "depthwise_conv2d") and (attrs["dilation_h"], attrs["dilation_w"]) != (1, 1):
        version = max(version, 2)
    if node.type == "fully_connected":
        version = max(version, 5 if attrs["keep_dims"] else 1, 1 if node.has_input(2) else 6)
    if node.type == "broadcast_to":
        version = 2  # the only one there is
    if node.type == "resize_nearest_neighbor" and (attrs["align_corners"] or attrs["half_pixel_centers"]):
        version = max(version, 3)
    if len(node.x.shape) > 4:
        version = max(version, {"transpose": 4, "slice": 5, "strided_slice": 4, "add": 4, "sub": 3}.get(node.type, 1))
    return version


def _with_pad_operators(graph: Graph) -> Graph:
    """Explicit paddings of convolutions as PAD operators in front of them; those of pools cannot be written so."""
    out = graph.copy()
    out.ops = []
    for op in graph.ops:
        if op.attrs.get("padding") != "explicit" or op.type not in ("conv2d", "depthwise_conv2d"):
            out.ops.append(op)
            continue
        node = graph.node(op)
        top, bottom, left, right = op.attrs["pad"]
        widths = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        batch, height, width, channels = node.x.shape
        paddings = out.add_tensor(
            Tensor(out.unique_name(f"{op.name}_paddings"), widths.shape, DType.INT32, data=widths)
        )
        shape = (batch, height + top + bottom, width + left + right, channels)
        padded = out.add_tensor(node.x.replace(name=out.unique_name(f"{op.name}_padded"), shape=shape, data=None))
        out.ops.append(Op(padded.name, "pad", (node.x.name, paddings.name), (padded.name,)))
        attrs = {**op.attrs, "padding": "valid"}
        attrs.pop("pad")
        out.ops.append(op.replace(inputs=(padded.name, *op.inputs[1:]), attrs=attrs))
    return out
