"""Synthetic graphs and kernels for the planner: sizes, scratch and overlaps without any arithmetic."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, Tensor
from mcu_gen.kernels.contract import Array, Call, Kernel
from mcu_gen.plan.types import Buffer, Overlap
from mcu_gen.targets import Region, Target

BOARD = Target(
    "test_board",
    stack_bytes=1024,
    regions=(Region("FLASH", 0, 1 << 20, "flash"), Region("SRAM", 0x20000000, 1 << 18, "ram")),
)


@dataclass(frozen=True)
class FakeKernel(Kernel):
    """A kernel whose memory needs are given."""

    name = "fake"  # type: ignore[misc]
    ops = ("fake",)  # type: ignore[misc]
    need: int = 0
    leads: Mapping[tuple[int, int], int] = field(default_factory=dict)
    weights: tuple[np.ndarray, ...] = ()

    def scratch(self, node: Node, target: Target) -> int:
        return self.need

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        return dict(self.leads)

    def call(self, node: Node, target: Target) -> Call:
        return Call({f"w{i}": Array(w) for i, w in enumerate(self.weights)})


class AliasKernel(FakeKernel):
    """A kernel that would copy its input."""

    alias = True


class Builder:
    """Builds a graph and remembers the kernel of each operator."""

    def __init__(self, name: str = "net") -> None:
        self.graph = Graph(name)
        self.kernels: dict[str, Kernel] = {}

    def input(self, name: str, size: int) -> str:
        self.graph.add_tensor(Tensor(name, (size,), DType.INT8))
        self.graph.inputs.append(name)
        return name

    def variable(self, name: str, size: int) -> str:
        return self.graph.add_tensor(Tensor(name, (size,), DType.INT8, variable=True)).name

    def constant(self, name: str, size: int) -> str:
        return self.graph.add_tensor(Tensor(name, (size,), DType.INT8, data=np.zeros(size, np.int8))).name

    def op(self, name: str, inputs: tuple[str, ...], size: int, kernel: Kernel | None = None) -> str:
        self.graph.add_tensor(Tensor(name, (size,), DType.INT8))
        self.graph.ops.append(Op(f"L{name}", "fake", inputs, (name,)))
        self.kernels[f"L{name}"] = kernel or FakeKernel()
        return name

    def alias(self, name: str, source: str) -> str:
        return self.op(name, (source,), self.graph.tensors[source].bytes, AliasKernel())

    def outputs(self, *names: str) -> Builder:
        self.graph.outputs = list(names)
        return self

    def select(self, node: Node, target: Target) -> Kernel:
        return self.kernels[node.name]


def random_dag(seed: int, count: int, overlaps: bool = False, window: int = 6) -> Builder:
    """A random graph of ``count`` operators whose inputs are among the ``window`` tensors before (or any, rarely)."""
    rng = random.Random(seed)
    b = Builder()
    names = [b.input("t0", 16 * rng.randint(1, 40))]
    for i in range(1, count + 1):
        recent = names[-window:]
        inputs = tuple(
            dict.fromkeys(rng.choice(recent if rng.random() < 0.9 else names) for _ in range(rng.randint(1, 2)))
        )
        size = rng.randint(1, 640)
        leads = {(k, 0): rng.randint(0, size) for k in range(len(inputs))} if overlaps and rng.random() < 0.7 else {}
        names.append(b.op(f"t{i}", inputs, size, FakeKernel(rng.choice([0, 0, rng.randint(1, 99)]), leads)))
    used = {n for op in b.graph.ops for n in op.inputs}
    return b.outputs(*(n for n in names[1:] if n not in used))


def random_buffers(seed: int, most: int, width: int) -> tuple[list[Buffer], list[Overlap]]:
    """Up to ``most`` small buffers, at most ``width`` of them alive at once, and overlaps that are legal."""
    rng = random.Random(seed)
    steps = most + 2
    alive = [0] * (steps + 2)
    buffers: list[Buffer] = []
    for _ in range(4 * most):
        first = rng.randint(-1, steps - 1)
        last = min(steps, first + rng.choice([0, 1, 1, 1, 2, 3, 6]))
        if len(buffers) == most or any(alive[t + 1] >= width for t in range(first, last + 1)):
            continue
        for t in range(first, last + 1):
            alive[t + 1] += 1
        size = max(1, 16 * rng.randint(1, 5) - rng.choice([0, 0, rng.randint(0, 15)]))
        buffers.append(Buffer(f"b{len(buffers)}", size, first, last))
    share = rng.choice([0.0, 0.3, 0.8])
    overlaps = [
        Overlap(a.name, b.name, rng.choice([0, 0, 16, rng.randint(0, 60)]))
        for a in buffers
        for b in buffers
        if a.last == b.first and a.first < b.first and rng.random() < share
    ]
    return buffers, overlaps
