"""One interface to everything that runs a generated network."""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from mcu_gen.errors import DeviceError, UsageError
from mcu_gen.link.fields import ProtocolError
from mcu_gen.link.messages import PROTOCOL_VERSION, TickKind
from mcu_gen.link.session import Session, Stream

#: Element types by their code in ``mcu_model.h``.
DTYPES = tuple(np.dtype(n) for n in ("int8", "uint8", "int16", "int32", "int64", "float16", "float32", "bool"))


@dataclass(frozen=True)
class Hello:
    """What a device says of itself; sizes in bytes.  ``tick_overhead``: ticks that measuring nothing gives."""

    network: str
    model_hash: str
    tool_version: str
    arena_bytes: int
    layers: int
    inputs: int
    outputs: int
    tick_kind: TickKind
    ticks_per_ms: int
    tick_overhead: int
    harness_base: int
    harness_bytes: int
    stack_reserved: int
    max_payload: int


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the network on the device."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    #: bytes of a row of an input that the network takes row by row, else 0
    row_bytes: int = 0

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True)
class Stats:
    """Counters of a device.  ``guard_ok`` is None in builds without guard bytes around the arena."""

    stack_used: int
    stack_reserved: int
    guard_ok: bool | None
    frames: int
    errors: int
    inferences: int


@dataclass(frozen=True)
class TrainStep:
    """What a training step gives: the loss before the update, how many updates were left out, and its ticks."""

    loss: float
    skipped: int
    ticks: int


class StoreStatus(enum.IntEnum):
    """What became of weights in flash (``mcu_store.h``)."""

    OK = 0
    EMPTY = -1
    ABSENT = -2
    SIZE = -3
    FLASH = -4
    VERIFY = -5


class SharedBulk(Protocol):
    """Bulk memory of an emulated board that this process reaches without the serial line."""

    def write(self, address: int, data: bytes) -> None:
        """Writes at a guest address."""

    def read(self, address: int, length: int) -> bytes:
        """Reads from a guest address."""


@dataclass(frozen=True)
class Limits:
    """Deadlines in seconds, and how fast the line is.

    Attributes:
        start: from opening until HELLO.
        request: a request without much data.
        inference: one inference.
        store: weights written to flash, which some boards erase in units that take seconds.
        bytes_per_s: the slowest that the line may be; longer transfers get more time.
        read_bytes: how much is asked for in one READ; a damaged answer is repeated whole.
    """

    start: float = 20.0
    request: float = 10.0
    inference: float = 300.0
    store: float = 120.0
    bytes_per_s: float = 2000.0
    read_bytes: int = 1 << 16


class Device:
    """A running network: context manager; leaving it ends whatever was started for it.

    Args:
        stream: the connection; the device owns it.
        instructions_per_tick: factor from ticks to instructions where an emulator counts them, else None.
        bulk: memory shared with the emulator.
        limits: deadlines.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        instructions_per_tick: Fraction | None = None,
        bulk: SharedBulk | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._stream = stream
        self._limits = limits or Limits()
        self._session = Session(stream, deadline_s=self._limits.request)
        self._factor = instructions_per_tick
        self._bulk = bulk
        self._hello: Hello | None = None
        self._tensors: dict[int, list[TensorInfo]] = {}

    @property
    def name(self) -> str:
        """What errors call the device."""
        return self._stream.name

    def __enter__(self) -> Self:
        try:
            self.hello()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and the process or emulator behind it.  Can be called twice."""
        self._stream.close()

    # -- what is there -------------------------------------------------------------------------------------------------

    def hello(self) -> Hello:
        """Who is there; asks until the device answers or the start deadline passes."""
        if self._hello is None:
            answer = dict(self._session.request("HELLO", deadline_s=self._limits.start, repeat_s=0.25))
            protocol = answer.pop("protocol")
            if protocol != PROTOCOL_VERSION:
                raise DeviceError(
                    f"the device speaks protocol {protocol}, this mcu-gen speaks {PROTOCOL_VERSION}",
                    where=self.name,
                    hints=["generate and flash the firmware again with this version"],
                )
            answer["tick_kind"] = TickKind(answer["tick_kind"]) if answer["tick_kind"] in set(TickKind) else TickKind(0)
            self._hello = Hello(**answer)
            self._session.max_payload = self._hello.max_payload
        return self._hello

    @property
    def inputs(self) -> list[TensorInfo]:
        """Inputs of the network in its order."""
        return self._tensor_infos(0, self.hello().inputs)

    @property
    def outputs(self) -> list[TensorInfo]:
        """Outputs of the network in its order."""
        return self._tensor_infos(1, self.hello().outputs)

    @property
    def tick_kind(self) -> TickKind:
        """What the ticks returned by the methods below are."""
        kind = self.hello().tick_kind
        # Without its instruction counter an emulator's clock is neither instructions nor time.
        return TickKind.UNKNOWN if kind is TickKind.INSTRUCTIONS and self._factor is None else kind

    def instructions(self, ticks: int) -> int | None:
        """``ticks`` where they are instructions (simulated), None where this device counts something else."""
        return ticks if self.tick_kind is TickKind.INSTRUCTIONS else None

    def stats(self) -> Stats:
        """Stack and guard bytes so far."""
        answer = dict(self._session.request("STATS"))
        answer["guard_ok"] = {0: False, 1: True}.get(answer.pop("guard"))
        return Stats(**answer)

    # -- inference -----------------------------------------------------------------------------------------------------

    def reset_state(self) -> None:
        """Gives variable tensors their initial values."""
        self._session.request("RESET_STATE")

    def infer(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference over the serial line: an array per input, in the network's order; dtypes must be its own.

        Raises:
            UsageError: number, dtype or size of the arrays is not the network's.
            DeviceError: the device failed or did not answer in time.
        """
        return self._infer(inputs)[0]

    def infer_many(
        self, batch: Sequence[Sequence[np.ndarray]], *, reset_each: bool = False
    ) -> tuple[list[list[np.ndarray]], int]:
        """Inferences over samples, one after the other, variable tensors keeping their values.

        Where the board has bulk memory that this process shares, samples and results go through it.

        Args:
            batch: the samples, each an array per input.
            reset_each: give variable tensors their initial values before each sample.

        Returns:
            the outputs per sample, and the ticks of all inferences together without the overhead of measuring (see
            :attr:`tick_kind`).
        """
        if self._bulk is not None and self.hello().harness_bytes:
            return self._infer_bulk(batch, self._bulk, reset_each)
        outputs, total = [], 0
        for sample in batch:
            if reset_each:
                self.reset_state()
            found, ticks = self._infer(sample)
            outputs.append(found)
            total += ticks
        return outputs, total

    # -- training ------------------------------------------------------------------------------------------------------

    def set_learning_rate(self, rate: float) -> None:
        """The learning rate of the steps that follow."""
        self._session.request("LEARNING_RATE", rate=rate)

    def train_step(self, inputs: Sequence[np.ndarray], label: np.ndarray) -> TrainStep:
        """One training step on one sample: forward pass, loss, backward pass, updates."""
        self._write_inputs(inputs)
        (info,) = self._tensor_infos(2, 1)
        if label.shape != info.shape or label.dtype != info.dtype:
            raise UsageError(f"the label is {label.dtype}{list(label.shape)}, not {info.dtype}{list(info.shape)}")
        data = label.astype(label.dtype.newbyteorder("<"), copy=False).tobytes()
        deadline = self._limits.inference
        answer = self._session.request("TRAIN_STEP", deadline_s=deadline, label=data)
        if answer["skipped"] < 0:
            raise DeviceError("rows of the input were missing: the training step was dropped", where=self.name)
        return TrainStep(float(answer["loss"]), int(answer["skipped"]), self._ticks(int(answer["ticks"]), 1))

    def freeze(self, tensor: int, frozen: bool = True) -> None:
        """Has training steps leave trained tensor ``tensor`` as it is, or change it again."""
        self._session.request("FREEZE", tensor=tensor, frozen=int(frozen))

    def read_weights(self, count: int) -> list[np.ndarray]:
        """The first ``count`` trained tensors of a network that trains itself, in the order of the layers."""
        return [self._read("READ_WEIGHTS", i, info) for i, info in enumerate(self._tensor_infos(3, count))]

    def save_weights(self) -> int:
        """Stores the trained weights in flash, where they survive a power loss; returns how many bytes these are.

        Raises:
            DeviceError: the board has no flash for them, they do not fit, or the flash failed.
        """
        answer = self._session.request("SAVE_WEIGHTS", deadline_s=self._limits.store)
        self._check_store(answer["status"], "saved", f"{answer['bytes']:,} bytes, there is room for {answer['room']:,}")
        return int(answer["bytes"])

    def load_weights(self) -> bool:
        """Loads the weights that were stored last, as the device does when it starts; False where there are none."""
        status = self._session.request("LOAD_WEIGHTS", deadline_s=self._limits.store)["status"]
        if status == StoreStatus.EMPTY:
            return False
        self._check_store(status, "loaded", "they are longer than the flash for them")
        return True

    def forget_weights(self) -> None:
        """Forgets the stored weights; those that the network computes with stay as they are."""
        status = self._session.request("FORGET_WEIGHTS", deadline_s=self._limits.store)["status"]
        self._check_store(status, "forgotten", "they are longer than the flash for them")

    def read_outputs(self) -> list[np.ndarray]:
        """The outputs of the last inference or training step."""
        return [self._read("READ_OUTPUT", i, info) for i, info in enumerate(self.outputs)]

    def profile(self, layers: int | None = None) -> list[int]:
        """Ticks per layer of the last inference, the call of each layer's hook included (builds with hooks).

        ``layers`` is how many there are where it was a training step.
        """
        ticks = self._session.request("PROFILE", first=0)["ticks"]
        layers = self.hello().layers if layers is None else layers
        if len(ticks) != layers:
            raise DeviceError(f"the device recorded {len(ticks)} of {layers} layers", where=self.name)
        return [self._ticks(t, 1) for t in ticks]

    def capture(self, layer: int, inputs: Sequence[np.ndarray]) -> bytes:
        """One inference; the bytes of the output of ``layer``, as its kernel left them (builds with hooks)."""
        self._write_inputs(inputs)
        deadline = self._limits.inference + self._transfer_s(self.hello().arena_bytes)
        return bytes(self._session.request("TRACE_LAYER", deadline_s=deadline, layer=layer)["data"])

    def exit(self, status: int = 0) -> None:
        """Asks the program to end."""
        self._session.request("EXIT", status=status)

    # -- the parts -----------------------------------------------------------------------------------------------------

    def _tensor_infos(self, direction: int, count: int) -> list[TensorInfo]:
        if direction not in self._tensors:
            infos = []
            for index in range(count):
                a = self._session.request("TENSOR_INFO", direction=direction, index=index)
                if a["dtype"] >= len(DTYPES):
                    raise ProtocolError(f"tensor {a['name']!r} has an unknown element type", where=self.name)
                info = TensorInfo(
                    a["name"], DTYPES[a["dtype"]], tuple(a["dims"]), a["scale"], a["zero_point"], a["row_bytes"]
                )
                if info.bytes != a["bytes"]:
                    raise ProtocolError(f"{info} should have {info.bytes} bytes, not {a['bytes']}", where=self.name)
                infos.append(info)
            self._tensors[direction] = infos
        return self._tensors[direction]

    def _transfer_s(self, count: int) -> float:
        return self._limits.request + count / self._limits.bytes_per_s

    def _pack(self, inputs: Sequence[np.ndarray]) -> list[bytes]:
        """The bytes of the inputs of one sample, checked."""
        infos = self.inputs
        if len(inputs) != len(infos):
            raise UsageError(f"{len(inputs)} arrays were given, the network has {len(infos)} inputs")
        data = []
        for array, info in zip(inputs, infos, strict=True):
            array = np.asarray(array)
            if array.dtype != info.dtype or array.nbytes != info.bytes:
                raise UsageError(
                    f"the network takes {info.dtype} {list(info.shape)}, given was {array.dtype} {list(array.shape)}",
                    where=f"input {info.name!r}",
                )
            data.append(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return data

    def _write_inputs(self, inputs: Sequence[np.ndarray]) -> None:
        for tensor, data in enumerate(self._pack(inputs)):
            step = self._session.chunk_bytes
            row = self.inputs[tensor].row_bytes
            if row and not self.hello().harness_bytes:
                if row > step:
                    raise DeviceError(
                        f"a row of the input has {row} bytes, a message carries {step}",
                        where=self.name,
                        hints=["build the firmware with a larger MCU_LINK_PAYLOAD"],
                    )
                step -= step % row  # the device computes with whole rows as they come
            for offset in range(0, len(data), step):
                piece = data[offset : offset + step]
                deadline = self._transfer_s(len(piece))
                self._session.request("WRITE_INPUT", deadline_s=deadline, tensor=tensor, offset=offset, data=piece)

    def _ticks(self, raw: int, segments: int) -> int:
        """Ticks without the overhead of measuring; instructions where the board's manifest says how.

        Rounded before the overhead is subtracted: both are whole instructions seen through a coarser or finer clock.
        """
        factor = 1 if self._factor is None else self._factor
        return max(0, round(raw * factor) - segments * round(self.hello().tick_overhead * factor))

    def _infer(self, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], int]:
        self._write_inputs(inputs)
        answer = self._session.request("INFER", deadline_s=self._limits.inference)
        self._check_status(answer)
        return self.read_outputs(), self._ticks(int(answer["ticks"]), 1)

    def _read(self, message: str, tensor: int, info: TensorInfo) -> np.ndarray:
        """A tensor of the device, piece by piece."""
        data = b""
        while len(data) < info.bytes:
            length = min(self._limits.read_bytes, info.bytes - len(data))
            piece = self._session.request(
                message, deadline_s=self._transfer_s(length), tensor=tensor, offset=len(data), length=length
            )["data"]
            if len(piece) != length:
                raise DeviceError(f"{length} bytes were asked for, {len(piece)} came", where=self.name)
            data += piece
        return self._array(data, info)

    def _infer_bulk(
        self, batch: Sequence[Sequence[np.ndarray]], bulk: SharedBulk, reset_each: bool
    ) -> tuple[list[list[np.ndarray]], int]:
        hello = self.hello()
        size_in, size_out = sum(i.bytes for i in self.inputs), sum(o.bytes for o in self.outputs)
        per_turn = hello.harness_bytes // (size_in + size_out)
        if per_turn == 0:
            raise DeviceError(
                f"a sample has {size_in + size_out} bytes, the bulk memory {hello.harness_bytes}", where=self.name
            )
        outputs: list[list[np.ndarray]] = []
        total = 0
        count = 1
        while len(outputs) < len(batch):
            turn = batch[len(outputs) : len(outputs) + min(count, per_turn)]
            start = time.monotonic()
            bulk.write(hello.harness_base, b"".join(piece for sample in turn for piece in self._pack(sample)))
            answer = self._session.request(
                "INFER_BULK",
                deadline_s=self._limits.inference,
                input_offset=0,
                output_offset=size_in * len(turn),
                count=len(turn),
                reset_each=int(reset_each),
            )
            self._check_status(answer)
            total += self._ticks(int(answer["ticks"]), len(turn))
            data = bulk.read(hello.harness_base + size_in * len(turn), size_out * len(turn))
            at = 0
            for _ in turn:
                found = []
                for info in self.outputs:
                    found.append(self._array(data[at : at + info.bytes], info))
                    at += info.bytes
                outputs.append(found)
            # Turns of about a second: few messages, and a deadline that notices soon when the emulator hangs.
            spent = time.monotonic() - start
            count = count * 8 if spent < 0.2 else max(1, count // 2) if spent > 5.0 else count
        return outputs, total

    def _array(self, data: bytes, info: TensorInfo) -> np.ndarray:
        little = np.frombuffer(data, info.dtype.newbyteorder("<"))
        return little.astype(info.dtype).reshape(info.shape)

    def _check_store(self, status: int, what: str, size: str) -> None:
        if status != StoreStatus.OK:
            known = StoreStatus(status) if status in set(StoreStatus) else None
            reasons = {
                StoreStatus.ABSENT: "this board has no flash for them",
                StoreStatus.SIZE: size,
                StoreStatus.FLASH: "the flash reported an error",
                StoreStatus.VERIFY: "the flash did not keep what was written",
            }
            text = f"status {status}" if known is None else reasons.get(known, f"status {status}")
            hints = []
            if known is StoreStatus.ABSENT and os.environ.get("MCU_GEN_HOST_FLASH"):
                hints = ["MCU_GEN_HOST_FLASH must name a new file, or one that an earlier run has made there"]
            raise DeviceError(f"the weights were not {what}: {text}", where=self.name, hints=hints)

    def _check_status(self, answer: Mapping[str, Any]) -> None:
        if answer["status"] != 0:
            raise DeviceError(f"the network returned status {answer['status']}", where=self.name)
