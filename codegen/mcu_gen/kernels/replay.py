"""Kernels of a replay buffer."""

from __future__ import annotations

from mcu_gen.graph import DType, Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Call, In, Kernel, Out, kernel
from mcu_gen.targets import Target


class Any(Kernel):
    """A kernel for every element type of its operator."""

    def rejects(self, node: Node, target: Target) -> str | None:
        del node, target
        return None


@kernel
class ReplayDraw(Any):
    """One random number."""

    name = "replay_draw"
    ops = ("replay_draw",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        del node
        return {"call": 1}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"samples": node.int_attr("samples")}, (Out(1), Out(0)))


@kernel
class ReplayAdmit(Any):
    """One random number at most."""

    name = "replay_admit"
    ops = ("replay_admit",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        del node
        return {"call": 1}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"samples": node.int_attr("samples")}, (In(0), Out(1), Out(0)))


@kernel
class ReplayRead(Any):
    """Copies bytes."""

    name = "replay_read"
    ops = ("replay_read",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "byte": node.y.bytes}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"bytes": node.y.bytes, "fill": node.int_attr("fill")}, (In(0), In(1), Out(0)))


@kernel
class ReplayWrite(Any):
    """Copies bytes."""

    name = "replay_write"
    ops = ("replay_write",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "byte": node.x.bytes}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"bytes": node.x.bytes}, (In(0), In(1), Out(0)))


@kernel
class ReplayEncodeF32(Kernel):
    """Twice over the elements: their largest magnitude, then the codes."""

    name = "replay_encode_f32"
    ops = ("replay_encode",)

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        return None if node.x.dtype is DType.FLOAT32 else f"input is {node.x.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"count": node.x.elements}, (In(0), Out(0), Out(1)))


@kernel
class ReplayDecodeF32(Any):
    """Element by element."""

    name = "replay_decode_f32"
    ops = ("replay_decode",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"count": node.x.elements}, (In(0), In(1), Out(0)))
