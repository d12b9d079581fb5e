"""The table of messages, described once.

The Python side uses it directly; ``firmware/link/mcu_messages.h`` is rendered from it (:mod:`mcu_gen.link.render`).
A request is ``u8 code, u16 id, u32 deadline_ms`` and its fields, an answer ``u8 code | 0x80, u16 id`` and its fields.
Every request has exactly one answer; what a device cannot do, it answers with ERROR.  To add a message, add a line
here, render the header, and add a case to the switch of ``firmware/runtime/mcu_server.c`` (the compiler names it).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mcu_gen.link.fields import Field

#: Grows when a message changes in a way that an older side would misread.
PROTOCOL_VERSION = 1

ANSWER_BIT = 0x80
REQUEST_HEADER = (
    Field("code", "u8"),
    Field("id", "u16", "chosen by the host, repeated in the answer; 0 is not used"),
    Field("deadline_ms", "u32", "the device gives up long work after this time; 0 = no limit"),
)
ANSWER_HEADER = (Field("code", "u8"), Field("id", "u16", "of the request; 0 where it could not be read"))


@dataclass(frozen=True)
class Message:
    """A request and its answer.

    Attributes:
        name: in capitals, as in C.
        code: 1 to 0x7E.
        request, answer: their fields.
        repeatable: asking twice does the same as asking once, so a lost answer is a reason to ask again.
    """

    name: str
    code: int
    request: tuple[Field, ...]
    answer: tuple[Field, ...]
    repeatable: bool
    doc: str


class Reason(enum.IntEnum):
    """Why a device answers with ERROR."""

    DAMAGED = 1  # a frame arrived with a wrong CRC or a broken code: ask again
    UNKNOWN = 2  # no such message
    LENGTH = 3  # the fields do not have the length that the message has
    TOO_LONG = 4  # the frame is longer than the device's buffer
    RANGE = 5  # an index, an offset or a length is outside
    UNAVAILABLE = 6  # this build cannot do it
    FAILED = 7  # the network returned an error
    DEADLINE = 8  # the deadline of the request passed


class TickKind(enum.IntEnum):
    """What one tick of the device's counter is."""

    UNKNOWN = 0
    INSTRUCTIONS = 1  # of an emulator, up to a factor that the board's manifest names
    CYCLES = 2
    NANOSECONDS = 3


ERROR = Message(
    "ERROR",
    0x7F,
    (),
    (Field("reason", "u8", "MCU_REASON_..."), Field("text", "str", "for people")),
    True,
    "Instead of an answer.",
)

MESSAGES = (
    Message(
        "HELLO",
        0x01,
        (),
        (
            Field("protocol", "u16", "PROTOCOL_VERSION of the device"),
            Field("max_payload", "u32", "longest request (header and fields) that the device takes, bytes"),
            Field("network", "str", "C prefix of the network"),
            Field("model_hash", "str", "SHA-256 of the model file"),
            Field("tool_version", "str", "of mcu-gen, which generated the firmware"),
            Field("arena_bytes", "u32"),
            Field("layers", "u32", "steps of the plan"),
            Field("inputs", "u16"),
            Field("outputs", "u16"),
            Field("tick_kind", "u8", "MCU_TICK_..."),
            Field("ticks_per_ms", "u32", "0 where a tick is no time"),
            Field("tick_overhead", "u32", "ticks that measuring nothing gives; contained in all ticks"),
            Field("harness_base", "u64", "address of the bulk memory"),
            Field("harness_bytes", "u32", "0 where there is none"),
            Field("stack_reserved", "u32"),
        ),
        True,
        "Who is there?",
    ),
    Message(
        "TENSOR_INFO",
        0x02,
        (
            Field("direction", "u8", "0 = input, 1 = output, 2 = label of a training step, 3 = trained weights"),
            Field("index", "u16"),
        ),
        (
            Field("name", "str"),
            Field("dtype", "u8", "MCU_INT8 ..."),
            Field("bytes", "u32"),
            Field("scale", "f32", "0 where the tensor is not quantized per tensor"),
            Field("zero_point", "i32"),
            Field("row_bytes", "u32", "of an input that is pushed row by row, else 0"),
            Field("dims", "u32s"),
        ),
        True,
        "An input or output of the network, or a tensor of its training step.",
    ),
    Message(
        "WRITE_INPUT",
        0x03,
        (Field("tensor", "u16"), Field("offset", "u32", "bytes"), Field("data", "bytes")),
        (),
        True,
        "A piece of an input.  An inference may overwrite it: write it again before each.",
    ),
    Message(
        "INFER",
        0x04,
        (),
        (Field("status", "i32", "of the network, 0 = ok"), Field("ticks", "u64", "of the network alone")),
        False,
        "One inference.",
    ),
    Message(
        "READ_OUTPUT",
        0x05,
        (Field("tensor", "u16"), Field("offset", "u32", "bytes"), Field("length", "u32", "bytes")),
        (Field("data", "bytes"),),
        True,
        "A piece of an output.",
    ),
    Message("RESET_STATE", 0x06, (), (), True, "Gives variable tensors their initial values."),
    Message(
        "STATS",
        0x07,
        (),
        (
            Field("stack_used", "u32", "the most so far, bytes"),
            Field("stack_reserved", "u32"),
            Field("guard", "u8", "1 = guard bytes around the arena unchanged, 0 = changed, 2 = built without"),
            Field("frames", "u32", "good frames received"),
            Field("errors", "u32", "ERROR answers sent"),
            Field("inferences", "u32"),
        ),
        True,
        "What happened so far.",
    ),
    Message(
        "INFER_BULK",
        0x08,
        (
            Field("input_offset", "u32", "in the bulk memory: the samples back to back, each all inputs back to back"),
            Field("output_offset", "u32", "where the outputs go, in the same form"),
            Field("count", "u32", "samples"),
            Field("reset_each", "u8", "1 = reset the state before each sample"),
        ),
        (
            Field("done", "u32", "samples done; less than asked where the status is not 0"),
            Field("status", "i32"),
            Field("ticks", "u64", "of all inferences together, without copying; each contains the overhead"),
        ),
        False,
        "Inferences over samples in the bulk memory.",
    ),
    Message(
        "READ_MEMORY",
        0x09,
        (Field("offset", "u32", "in the bulk memory"), Field("length", "u32")),
        (Field("data", "bytes"),),
        True,
        "A piece of the bulk memory.",
    ),
    Message(
        "WRITE_MEMORY",
        0x0A,
        (Field("offset", "u32", "in the bulk memory"), Field("data", "bytes")),
        (),
        True,
        "Fills a piece of the bulk memory.",
    ),
    Message(
        "PROFILE",
        0x0B,
        (Field("first", "u16", "layer"),),
        (Field("ticks", "u64s"),),
        True,
        "Ticks of the layers of the last inference from ``first`` on; builds with hooks only.",
    ),
    Message(
        "TRACE_LAYER",
        0x0C,
        (Field("layer", "u16"),),
        (Field("data", "bytes", "the layer's output"),),
        False,
        "One inference that answers with the output of one layer; builds with hooks only.",
    ),
    Message(
        "TRAIN_STEP",
        0x0E,
        (Field("label", "bytes", "the whole label; the inputs were written before"),),
        (
            Field("skipped", "i32", "updates left out; 0 = all weights were updated, -1 = rows were missing"),
            Field("loss", "f32", "before the update"),
            Field("ticks", "u64", "of the step alone"),
        ),
        False,
        "One training step, forward pass included: READ_OUTPUT then gives the prediction before the update.",
    ),
    Message(
        "LEARNING_RATE",
        0x0F,
        (Field("rate", "f32"),),
        (),
        True,
        "The learning rate of the steps that follow.",
    ),
    Message(
        "READ_WEIGHTS",
        0x10,
        (Field("tensor", "u16"), Field("offset", "u32", "bytes"), Field("length", "u32", "bytes")),
        (Field("data", "bytes"),),
        True,
        "A piece of a trained tensor.",
    ),
    Message(
        "FREEZE",
        0x11,
        (Field("tensor", "u16"), Field("frozen", "u8", "1 = training steps leave it as it is, 0 = they change it")),
        (),
        True,
        "Freezes a trained tensor, or thaws it; a reset thaws all of them.",
    ),
    Message(
        "SAVE_WEIGHTS",
        0x20,
        (),
        (
            Field("status", "i32", "0 = stored, else MCU_STORE_... of mcu_store.h"),
            Field("bytes", "u32", "of the weights and what else a training goes on from"),
            Field("room", "u32", "bytes that the flash takes, 0 where there is none"),
        ),
        False,
        "Stores the trained weights in flash, where they survive a power loss; takes seconds on some boards.",
    ),
    Message(
        "LOAD_WEIGHTS",
        0x21,
        (),
        (Field("status", "i32", "0 = loaded, else MCU_STORE_...; -1 = nothing of this network is stored"),),
        True,
        "Loads the stored weights, as it happens at every start.",
    ),
    Message(
        "FORGET_WEIGHTS",
        0x22,
        (),
        (Field("status", "i32", "0 = nothing is stored any more, else MCU_STORE_..."),),
        False,
        "Forgets the stored weights; those in RAM stay as they are.",
    ),
    Message("EXIT", 0x0D, (Field("status", "u8"),), (), False, "Ends the program after the answer."),
)

BY_NAME = {message.name: message for message in (*MESSAGES, ERROR)}
BY_CODE = {message.code: message for message in (*MESSAGES, ERROR)}
