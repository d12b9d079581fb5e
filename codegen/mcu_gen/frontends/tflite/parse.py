"""From the bytes of a .tflite file to plain records, with every index and length checked.

Slots are the positions of the fields in ``schema.fbs``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcu_gen.errors import ModelFileError
from mcu_gen.frontends.tflite import schema
from mcu_gen.frontends.tflite.flatbuffer import Reader, Table

_IDENTIFIER = b"TFL3"
#: Operator versions grow by one when an operator learns something; the highest today is 12.
_MAX_VERSION = 32


@dataclass(frozen=True, eq=False)
class RawQuant:
    """Quantization as the file states it; ``details`` is a scheme other than affine."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    details: int


@dataclass(frozen=True, eq=False)
class RawTensor:
    """A tensor as the file states it; ``data`` are the bytes of its buffer, empty for none."""

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    has_rank: bool
    type: str
    data: memoryview
    quant: RawQuant | None
    variable: bool
    sparse: bool
    variant: bool
    external: bool


@dataclass(frozen=True, eq=False)
class RawOp:
    """An operator as the file states it; indices are those of tensors, -1 is an absent input."""

    builtin: str
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]
    problem: str = ""
    #: tensors whose quantization says how values inside the operator are scaled
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class RawModel:
    """Subgraph 0 of a model file."""

    tensors: list[RawTensor]
    ops: list[RawOp]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    aliases: dict[str, int] = field(default_factory=dict)


def parse(data: bytes) -> RawModel:
    """Reads a model.

    Raises:
        ModelFileError: the bytes are no TFLite model, or a damaged one.
    """
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise ModelFileError(
            "this is not a .tflite model"
            + (" (the file is empty)" if not data else f" (bytes 4 to 8 are {data[4:8]!r}, expected {_IDENTIFIER!r})")
        )
    reader = Reader(data)
    root = reader.root()
    version = root.number(0, "I")
    if version != 3:
        raise ModelFileError(f"the schema version is {version}, only version 3 is known")
    subgraphs = root.tables(2, "subgraph")
    if not subgraphs:
        raise ModelFileError("the model holds no subgraph")
    graph = subgraphs[0]
    buffers = [_buffer(b) for b in root.tables(4, "buffer")]
    tensors = [_tensor(i, t, buffers) for i, t in enumerate(graph.tables(0, "tensor"))]
    codes = [_code(c) for c in root.tables(1, "operator code")]
    return RawModel(
        tensors,
        [_operator(o, codes, len(tensors)) for o in graph.tables(3, "operator")],
        _indices(graph, 1, len(tensors), "inputs of the model"),
        _indices(graph, 2, len(tensors), "outputs of the model"),
        len(subgraphs),
        _aliases(root, len(tensors)),
    )


def without_ignored_axes(data: bytes) -> bytes:
    """The model with ``quantized_dimension`` 0 wherever it means nothing (one scale, or one dimension).

    TFLite Micro ignores such values and LiteRT refuses the whole model, so an oracle is given these bytes.

    Raises:
        ModelFileError: the bytes are no TFLite model, or a damaged one.
    """
    parse(data)
    out = bytearray(data)
    for subgraph in Reader(data).root().tables(2, "subgraph"):
        for tensor in subgraph.tables(0, "tensor"):
            quant = tensor.table(4, "quantization")
            if quant is None:
                continue
            scale, shape = quant.numbers(2, "float32"), tensor.numbers(0, "int32")
            meaningless = scale is None or len(scale) == 1 or (shape is not None and len(shape) == 1)
            if meaningless and quant.number(6, "i"):
                struct.pack_into("<i", out, quant.position(6), 0)
    return bytes(out)


def _indices(table: Table, slot: int, tensors: int, what: str, lowest: int = 0) -> tuple[int, ...]:
    values = table.numbers(slot, "int32")
    out = tuple(int(v) for v in values) if values is not None else ()
    wrong = [v for v in out if not lowest <= v < tensors]
    if wrong:
        raise ModelFileError(f"{what}: there is no tensor {wrong[0]}, the model has {tensors} tensors")
    return out


def _buffer(table: Table) -> memoryview:
    data = table.block(0)
    if len(data):
        return data
    # Models above 2 GB keep data behind the FlatBuffer; 0 and 1 mean "nowhere".
    offset, size = table.number(1, "Q"), table.number(2, "Q")
    if offset > 1 and size:
        whole = table.reader.data
        if offset + size > len(whole):
            raise table.reader.bad(f"{table.what} lies at byte {offset} ({size} bytes), the file has {len(whole)}")
        return memoryview(whole)[offset : offset + size]
    return memoryview(b"")


def _tensor(index: int, table: Table, buffers: list[memoryview]) -> RawTensor:
    shape = table.numbers(0, "int32")
    signature = table.numbers(7, "int32")
    buffer = table.number(2, "I")
    if buffer >= max(len(buffers), 1):
        raise ModelFileError(f"tensor {index}: there is no buffer {buffer}, the model has {len(buffers)} buffers")
    return RawTensor(
        index=index,
        name=table.string(3),
        shape=tuple(int(d) for d in shape) if shape is not None else (),
        signature=tuple(int(d) for d in signature) if signature is not None else (),
        has_rank=bool(table.number(8, "B")),
        type=schema.type_name(table.number(1, "b")),
        data=buffers[buffer] if buffers else memoryview(b""),
        quant=_quant(table.table(4, f"quantization of tensor {index}")),
        variable=bool(table.number(5, "B")),
        sparse=table.has(6),
        variant=table.has(9),
        external=table.number(10, "I") != 0,
    )


def _quant(table: Table | None) -> RawQuant | None:
    if table is None:
        return None
    scale, zero_point = table.numbers(2, "float32"), table.numbers(3, "int64")
    return RawQuant(
        scale if scale is not None else np.zeros(0, np.float32),
        zero_point if zero_point is not None else np.zeros(0, np.int64),
        table.number(6, "i"),
        table.number(4, "B"),
    )


def _code(table: Table) -> tuple[str, str]:
    """``(builtin, custom code)``; files older than 2020 hold the builtin in a byte of its own."""
    code = max(table.number(0, "b"), table.number(3, "i"))
    version = table.number(2, "i", 1)
    if not 1 <= version <= _MAX_VERSION:
        raise ModelFileError(f"{table.what} ({schema.builtin_name(code)}) has the version {version}")
    return schema.builtin_name(code), table.string(1)


def _operator(table: Table, codes: list[tuple[str, str]], tensors: int) -> RawOp:
    code = table.number(0, "I")
    if code >= len(codes):
        raise ModelFileError(f"{table.what}: there is no operator code {code}, the model has {len(codes)}")
    builtin, custom = codes[code]
    inputs = _indices(table, 1, tensors, f"inputs of {table.what}", lowest=-1)
    outputs = _indices(table, 2, tensors, f"outputs of {table.what}")
    options: dict[str, Any] = {}
    problem = ""
    try:
        options = schema.options(builtin, table.number(3, "B"), table.table(4, f"options of {table.what}"))
    except ModelFileError as error:
        problem = error.message
    intermediates = _indices(table, 8, tensors, f"intermediate tensors of {table.what}", lowest=-1)
    return RawOp(builtin, custom, inputs, outputs, options, problem, tuple(i for i in intermediates if i >= 0))


def _aliases(root: Table, tensors: int) -> dict[str, int]:
    """Names of inputs and outputs in the signatures of subgraph 0: {name: tensor}; a name used twice is left out."""
    names: dict[str, set[int]] = {}
    for signature in root.tables(7, "signature"):
        if not signature.string(2) or signature.number(4, "I") != 0:  # no key: nobody can ask for it
            continue
        for slot in (0, 1):
            for entry in signature.tables(slot, f"entry of {signature.what}"):
                index = entry.number(1, "I")
                if index < tensors:
                    names.setdefault(entry.string(0), set()).add(index)
    return {name: next(iter(found)) for name, found in names.items() if name and len(found) == 1}
