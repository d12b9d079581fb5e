"""Frames: COBS with CRC-32, each ended by a zero byte.

A frame on the wire is ``COBS(payload + crc32(payload)) 0x00``; the CRC is that of zlib and Ethernet, little-endian.
COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999) leaves
no zero byte inside a frame, so after any damage the next zero is where the next frame starts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from cobs import cobs

CRC_BYTES = 4


def encode_frame(payload: bytes) -> bytes:
    """The bytes that carry ``payload``, ended by the delimiter."""
    return bytes(cobs.encode(payload + zlib.crc32(payload).to_bytes(CRC_BYTES, "little"))) + b"\x00"


def decode_frame(body: bytes) -> bytes | None:
    """The payload of the bytes between two delimiters; None where they are damaged."""
    try:
        packet = bytes(cobs.decode(body))
    except cobs.DecodeError:
        return None
    if len(packet) < CRC_BYTES:
        return None
    payload, crc = packet[:-CRC_BYTES], packet[-CRC_BYTES:]
    return payload if zlib.crc32(payload).to_bytes(CRC_BYTES, "little") == crc else None


class FrameReader:
    """Finds frames in a stream of bytes that arrives in pieces.

    Attributes:
        damaged: how many non-empty frames were dropped because of a broken code or a wrong CRC.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self.damaged = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads of all frames that are complete with ``data``; damaged frames are counted and skipped."""
        self._pending += data
        *bodies, rest = bytes(self._pending).split(b"\x00") if b"\x00" in data else [bytes(self._pending)]
        if bodies:
            self._pending = bytearray(rest)
        for body in bodies:
            if not body:
                continue
            payload = decode_frame(body)
            if payload is None:
                self.damaged += 1
            else:
                yield payload
