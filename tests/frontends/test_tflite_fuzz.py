"""No file makes the reader crash, hang or allocate much: damaged models give a clear error or a graph that runs."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_gen.errors import ModelFileError, UnsupportedModelError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor, Graph
from mcu_gen.passes import run_passes
from support.small_models import float_network, int8_network

MODELS = {"int8": int8_network().build(), "float": float_network().build()}
#: Graphs with more bytes than this (a flipped dimension) are read and rewritten, but not executed.
_RUN_BYTES = 1 << 20


def attempt(data: bytes) -> Graph | None:
    """The graph; None for a clear error.  Anything else is a failure of the test."""
    try:
        return load_tflite(data)
    except (ModelFileError, UnsupportedModelError):
        return None


def works(graph: Graph) -> None:
    """A graph that was accepted is rewritten and executed without a complaint, and both give the same bits."""
    rewritten = run_passes(graph)
    if sum(t.bytes for t in graph.tensors.values()) > _RUN_BYTES:
        return
    inputs = {n: np.ones(graph.tensors[n].shape, graph.tensors[n].dtype.numpy) for n in graph.inputs}
    with np.errstate(all="ignore"):
        before, after = Executor(graph).run(inputs), Executor(rewritten).run(inputs)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_two_thousand_damaged_bytes(name: str) -> None:
    rng = random.Random(name)
    model = MODELS[name]
    accepted = refused = 0
    for _ in range(1000):
        data = bytearray(model)
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            at = rng.randrange(len(data))
            data[at] = rng.choice((rng.randrange(256), 0, 255, data[at] ^ (1 << rng.randrange(8))))
        start = time.monotonic()
        graph = attempt(bytes(data))
        if graph is None:
            refused += 1
        else:
            accepted += 1
            works(graph)
        assert time.monotonic() - start < 10
    # Both happen often: a flipped weight is a valid model, a flipped offset is not.
    assert accepted > 100
    assert refused > 100


@pytest.mark.parametrize("name", sorted(MODELS))
def test_truncated_files(name: str) -> None:
    model = MODELS[name]
    for length in [*range(0, 64), *range(64, len(model), 37)]:
        assert attempt(model[:length]) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_behind_the_identifier(tail: bytes) -> None:
    assert attempt(struct.pack("<I", 8) + b"TFL3" + tail) is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(MODELS)), st.integers(0, 1 << 20), st.integers(0, 2**32 - 1))
def test_overwritten_words(name: str, at: int, word: int) -> None:
    """Whole offsets and lengths are replaced: huge vectors, negative indices, pointers anywhere."""
    data = bytearray(MODELS[name])
    struct.pack_into("<I", data, at % (len(data) // 4) * 4, word)
    graph = attempt(bytes(data))
    if graph is not None:
        works(graph)


def test_reading_is_bounded() -> None:
    """A file whose vectors all refer to the same megabyte is refused, and takes neither time nor memory."""
    entries = 100_000
    body = bytearray(struct.pack("<I4s", 0, b"TFL3"))
    vtable = len(body)
    body += struct.pack("<HHHHHH", 12, 12, 8, 0, 4, 0)  # a table with slot 0 (version) and slot 2 (subgraphs)
    root = len(body)
    body += struct.pack("<iII", root - vtable, 12, 3)
    body[root + 4 : root + 8] = struct.pack("<I", 8)  # subgraphs start behind the table
    vector = len(body)
    body += struct.pack("<I", entries)
    body += b"".join(struct.pack("<I", (1 << 32) - (vector + 4 + 4 * i - root) & 0xFFFFFFFF) for i in range(entries))
    body[0:4] = struct.pack("<I", root)
    tracemalloc.start()
    start = time.monotonic()
    assert attempt(bytes(body)) is None
    assert time.monotonic() - start < 10
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["hello_world_int8", "dscnn_kws_int8"])
def test_damaged_public_models(shared: object, name: str) -> None:
    model = (shared / "models" / f"{name}.tflite").read_bytes()  # type: ignore[operator]
    rng = random.Random(name)
    for _ in range(500):
        data = bytearray(model)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        attempt(bytes(data))
