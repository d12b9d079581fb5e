"""The table of messages: consistent, the same in C, and strict about what it reads."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_gen.link.fields import RESTS, SCALARS, TEXT, Field, ProtocolError, pack, unpack
from mcu_gen.link.messages import ANSWER_BIT, BY_CODE, BY_NAME, ERROR, MESSAGES, Message
from mcu_gen.link.render import c_header
from mcu_gen.resources import resource_dir

ALL = [*MESSAGES, ERROR]
SIDES = [pytest.param(side, id=f"{m.name}-{n}") for m in ALL for n, side in (("q", m.request), ("a", m.answer))]

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 2**8 - 1),
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "i32": st.integers(-(2**31), 2**31 - 1),
    "f32": st.floats(width=32, allow_nan=False),
    "str": st.text(max_size=60),
    "bytes": st.binary(max_size=300),
    "u32s": st.lists(st.integers(0, 2**32 - 1), max_size=20),
    "u64s": st.lists(st.integers(0, 2**64 - 1), max_size=20),
}


def test_every_type_has_values() -> None:
    assert set(VALUES) == {*SCALARS, TEXT, *RESTS}


def test_codes_and_names_are_unique_and_leave_the_answer_bit_free() -> None:
    assert len(BY_CODE) == len(BY_NAME) == len(ALL)
    assert all(0 < m.code < ANSWER_BIT for m in ALL)


@pytest.mark.parametrize("fields", SIDES)
def test_only_the_last_field_takes_the_rest(fields: tuple[Field, ...]) -> None:
    assert not [f.name for f in fields[:-1] if f.type in RESTS]


def test_committed_c_header_is_up_to_date() -> None:
    committed = (resource_dir("firmware") / "link" / "mcu_messages.h").read_text()
    assert committed == c_header(), "run: python -m mcu_gen.link.render > firmware/link/mcu_messages.h"


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    message: Message = data.draw(st.sampled_from(ALL))
    fields = data.draw(st.sampled_from([message.request, message.answer]))
    values = {f.name: data.draw(VALUES[f.type]) for f in fields}
    assert unpack(fields, pack(fields, values)) == values


@given(st.sampled_from(ALL), st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(message: Message, raw: bytes) -> None:
    for fields in (message.request, message.answer):
        try:
            values = unpack(fields, raw)
        except ProtocolError:
            continue
        again = pack(fields, values)
        assert again == raw or any(f.type == "f32" for f in fields)  # a NaN need not keep its bits


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ((Field("a", "u8"),), {"a": 256}),
        ((Field("a", "u16"),), {"a": -1}),
        ((Field("a", "str"),), {"a": "x" * 256}),
        ((Field("a", "u8"),), {}),
        ((), {"a": 1}),
    ],
)
def test_values_that_no_message_can_carry(fields: tuple[Field, ...], values: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        pack(fields, values)


@pytest.mark.parametrize(
    ("fields", "raw", "match"),
    [
        ((Field("a", "u32"),), b"abc", "ends after 3"),
        ((Field("a", "u8"),), b"ab", "1 bytes too many"),
        ((Field("a", "str"),), b"\x05ab", "ends after 3"),
        ((Field("a", "str"),), b"", "ends after 0"),
        ((Field("a", "str"),), b"\x01\xff", "UTF-8"),
        ((Field("a", "u64s"),), bytes(9), "whole number"),
    ],
)
def test_damaged_fields_are_named(fields: tuple[Field, ...], raw: bytes, match: str) -> None:
    with pytest.raises(ProtocolError, match=match):
        unpack(fields, raw)


def test_numbers_are_little_endian() -> None:
    assert pack((Field("a", "u16"), Field("b", "f32")), {"a": 0x0102, "b": 1.0}) == b"\x02\x01" + struct.pack("<f", 1.0)
