"""The host's side of a conversation: one request, one answer, a deadline."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

from mcu_gen.errors import DeviceError
from mcu_gen.link.fields import ProtocolError, pack, unpack
from mcu_gen.link.framing import FrameReader, encode_frame
from mcu_gen.link.messages import ANSWER_BIT, ANSWER_HEADER, BY_NAME, ERROR, REQUEST_HEADER, Message, Reason

_REQUEST_HEADER_BYTES = 7
_ANSWER_HEADER_BYTES = 3
_MAX_REPEATS = 3
_POLL_S = 0.05


class Stream(Protocol):
    """A two-way stream of bytes to a device.

    ``name`` is what an error calls it.  ``write`` and ``read`` raise DeviceError when the other side has gone.
    """

    name: str

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of ``data``."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, at least one byte; empty when nothing came in time."""

    def close(self) -> None:
        """Ends the connection and whatever it started.  Can be called twice."""


class DeviceRefusedError(DeviceError):
    """The device answered with ERROR.

    Attributes:
        reason: why.
    """

    code = "device_refused"

    def __init__(self, message: str, *, where: str, reason: int) -> None:
        super().__init__(message, where=where)
        self.reason = reason


class Session:
    """Requests over a stream.

    Args:
        stream: the connection.
        deadline_s: default deadline of a request.
        enforce_on_device: whether the device is told the deadline, too, so that it gives up long work by itself.
    """

    def __init__(self, stream: Stream, *, deadline_s: float = 10.0, enforce_on_device: bool = True) -> None:
        self.stream = stream
        self.deadline_s = deadline_s
        self.enforce_on_device = enforce_on_device
        self.max_payload = 256  # until HELLO says more; every device takes this much
        self._reader = FrameReader()
        self._ids = itertools.cycle(range(1, 1 << 16))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of data that fit into one request beside its header and at most 8 bytes of other fields."""
        return self.max_payload - _REQUEST_HEADER_BYTES - 8

    def request(
        self, name: str, *, deadline_s: float | None = None, repeat_s: float | None = None, **fields: Any
    ) -> Mapping[str, Any]:
        """Sends the message ``name`` and returns the fields of its answer.

        A message that is repeatable (see the table) is sent again every ``repeat_s`` (a third of the deadline unless
        told) and whenever damage is noticed.  Any other is sent again only when it is sure that the device never saw
        it: an inference that runs twice would advance the network's state twice.

        Raises:
            DeviceRefusedError: the device answered with ERROR.
            ProtocolError: the answer does not follow the table of messages.
            DeviceError: no answer before the deadline, or the device has gone.
        """
        message = BY_NAME[name]
        limit = self.deadline_s if deadline_s is None else deadline_s
        end = time.monotonic() + limit
        every = limit / 3 if repeat_s is None else repeat_s
        number = next(self._ids)
        frame = self._frame(message, number, limit, fields)
        damaged_before = self._reader.damaged
        next_send = 0.0
        repeats = 0
        probe: int | None = None  # a HELLO whose answer shows what became of a request that must not be repeated
        while (now := time.monotonic()) < end:
            if now >= next_send:
                self.stream.write(frame, end - now)
                next_send = now + every if message.repeatable else math.inf
            trouble = False
            for payload in self._reader.feed(self.stream.read(min(_POLL_S, end - now))):
                answered, code, body = self._answer(payload)
                if answered == number:
                    return self._result(message, code, body)
                if probe is not None and answered == probe:
                    if self._reader.damaged != damaged_before:
                        raise DeviceError(f"the answer to {name} arrived damaged", where=self.stream.name)
                    next_send, probe = 0.0, None  # answers come in order: the device never saw the request
                # A request whose frame arrived damaged has no readable number; the device says so with 0.
                trouble |= answered == 0 and code == ERROR.code and body[:1] == bytes([Reason.DAMAGED])
            trouble |= self._reader.damaged != damaged_before and probe is None
            if trouble and repeats < _MAX_REPEATS:
                repeats += 1
                if message.repeatable:
                    damaged_before = self._reader.damaged
                    next_send = 0.0
                else:
                    probe = next(self._ids)
                    self.stream.write(self._frame(BY_NAME["HELLO"], probe, limit, {}), end - now)
        damaged = self._reader.damaged - damaged_before
        noise = f" ({damaged} damaged frames arrived)" if damaged else ""
        raise DeviceError(f"no answer to {name} in {limit:g} s{noise}", where=self.stream.name)

    def _frame(self, message: Message, number: int, limit: float, fields: Mapping[str, Any]) -> bytes:
        deadline_ms = min(int(limit * 1000), 0xFFFFFFFF) if self.enforce_on_device else 0
        header = {"code": message.code, "id": number, "deadline_ms": deadline_ms}
        # The delimiter in front ends whatever noise the line carried before.
        return b"\x00" + encode_frame(pack(REQUEST_HEADER, header) + pack(message.request, fields))

    def _answer(self, payload: bytes) -> tuple[int | None, int, bytes]:
        """Number of the request, code and fields of an answer; number None for what is no answer."""
        if len(payload) < _ANSWER_HEADER_BYTES or not payload[0] & ANSWER_BIT:
            return None, 0, b""
        header = unpack(ANSWER_HEADER, payload[:_ANSWER_HEADER_BYTES])
        return header["id"], header["code"] & ~ANSWER_BIT, payload[_ANSWER_HEADER_BYTES:]

    def _result(self, message: Message, code: int, body: bytes) -> Mapping[str, Any]:
        if code == ERROR.code:
            raise self._refused(message.name, unpack(ERROR.answer, body))
        if code != message.code:
            raise ProtocolError(f"{message.name} was answered with code 0x{code:02x}", where=self.stream.name)
        try:
            return unpack(message.answer, body)
        except ProtocolError as error:
            raise ProtocolError(f"the answer to {message.name}: {error}", where=self.stream.name) from None

    def _refused(self, name: str, refusal: Mapping[str, Any]) -> DeviceRefusedError:
        reason = int(refusal["reason"])
        known = Reason(reason).name if reason in set(Reason) else f"reason {reason}"
        text = f"the device refused {name}: {refusal['text']} ({known})"
        return DeviceRefusedError(text, where=self.stream.name, reason=reason)
