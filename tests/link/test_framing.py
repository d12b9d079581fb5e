"""Frames: any payload survives, any damage is noticed, and the stream finds its feet again."""

from __future__ import annotations

import zlib

from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from mcu_gen.link.framing import FrameReader, decode_frame, encode_frame

PAYLOADS = st.one_of(
    st.binary(max_size=600),
    st.lists(st.sampled_from([b"\x00", b"\xff", b"a" * 253, b"b" * 254, b"c" * 255]), max_size=8).map(b"".join),
)


@given(PAYLOADS)
def test_round_trip_and_form(payload: bytes) -> None:
    frame = encode_frame(payload)
    assert frame[-1] == 0
    assert 0 not in frame[:-1]
    assert bytes(cobs.decode(frame[:-1])) == payload + zlib.crc32(payload).to_bytes(4, "little")
    assert decode_frame(frame[:-1]) == payload


@given(st.lists(PAYLOADS, max_size=6), st.data())
def test_stream_in_pieces(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, payloads))
    reader = FrameReader()
    found = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += list(reader.feed(stream[:size]))
        stream = stream[size:]
    assert found == payloads
    assert reader.damaged == 0


@given(PAYLOADS, st.binary(max_size=80), PAYLOADS)
def test_garbage_between_frames_costs_only_itself(before: bytes, garbage: bytes, after: bytes) -> None:
    reader = FrameReader()
    found = list(reader.feed(encode_frame(before) + garbage + b"\x00" + encode_frame(after)))
    assert found[0] == before
    assert found[-1] == after


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_never_believed(payload: bytes, data: st.DataObject) -> None:
    frame = bytearray(encode_frame(payload))
    bit = data.draw(st.integers(0, 8 * (len(frame) - 1) - 1))
    frame[bit // 8] ^= 1 << (bit % 8)
    assert payload not in list(FrameReader().feed(bytes(frame)))


@given(st.binary(min_size=1, max_size=300), st.data())
def test_truncated_frame_joins_nothing(payload: bytes, data: st.DataObject) -> None:
    frame = encode_frame(payload)
    cut = data.draw(st.integers(0, len(frame) - 2))
    reader = FrameReader()
    assert list(reader.feed(frame[:cut])) == []
    assert list(reader.feed(b"\x00" + frame)) == [payload]
