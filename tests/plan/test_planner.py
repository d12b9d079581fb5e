"""make_plan: lifetimes, storage sharing, totals, limits, and the RAM figures the project promises."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from mcu_gen.errors import DoesNotFitError, ModelFileError
from mcu_gen.graph import Node, Operator, TensorType
from mcu_gen.graph.ir import Op
from mcu_gen.graph.operator import _REGISTRY
from mcu_gen.plan import Plan, make_plan, plan_data
from mcu_gen.plan.arena import violations
from mcu_gen.plan.types import Overlap
from mcu_gen.targets import Region, Target
from plan.synthetic import BOARD, Builder, FakeKernel, random_dag


def plan(b: Builder, max_ram: int | None = None, target: Target = BOARD) -> Plan:
    return make_plan(b.graph, target, max_ram=max_ram, select=b.select)


def chain(sizes: list[int], kernel: Callable[[int, int], FakeKernel] = lambda i, o: FakeKernel()) -> Builder:
    b = Builder()
    last = b.input("t0", sizes[0])
    for i, size in enumerate(sizes[1:], 1):
        last = b.op(f"t{i}", (last,), size, kernel(sizes[i - 1], size))
    return b.outputs(last)


def test_autoencoder_needs_input_and_first_layer() -> None:
    p = plan(chain([640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]))
    assert p.arena_bytes == 768
    assert p.optimal


def test_expand_depthwise_project() -> None:
    """MCUNet's blocks (20x20 and 10x10 maps): the depthwise output slides under its input, and memory falls to
    the expanded tensor plus what the block still needs."""

    def kernel(size_in: int, size_out: int) -> FakeKernel:
        if size_in == size_out:  # depthwise 3x3, stride 1: one row and one pixel ahead
            return FakeKernel(leads={(0, 0): 21 * 48})
        return FakeKernel()

    sizes = [400 * 16, 400 * 48, 400 * 48, 400 * 16]
    p = plan(chain(sizes, kernel))
    assert p.arena_bytes == 400 * 48 + max(400 * 16, 21 * 48)
    assert plan(chain(sizes)).arena_bytes == 2 * 400 * 48


def test_diagonal_chain_descends() -> None:
    """Ten pointwise layers that halve: each output lies under its input, so the arena is the first tensor."""
    p = plan(chain([4096 >> i for i in range(8)], lambda i, o: FakeKernel(leads={(0, 0): 0})))
    assert p.arena_bytes == 4096


def test_residual_keeps_the_shortcut() -> None:
    b = Builder()
    x = b.input("x", 160)
    a = b.op("a", (x,), 320)
    c = b.op("c", (a,), 160, FakeKernel(leads={(0, 0): 0}))
    y = b.op("y", (c, x), 160, FakeKernel(leads={(0, 0): 0, (1, 0): 0}))
    p = plan(b.outputs(y))
    assert p.arena_bytes == 480
    assert p.offset("y") in (p.offset("c"), p.offset("x"))


def test_lifetimes_of_the_interface() -> None:
    b = Builder()
    x, unused = b.input("x", 16), b.input("unused", 16)
    state = b.variable("state", 16)
    h = b.op("h", (x, state), 16, FakeKernel(need=5))
    p = plan(b.outputs(b.op("y", (h,), 16)))
    spans = {n: (v.first, v.last, v.kind) for n, v in p.buffers.items()}
    assert spans == {
        "x": (-1, 0, "input"),
        unused: (-1, -1, "input"),
        "state": (-1, 2, "variable"),
        "h": (0, 1, "tensor"),
        "y": (1, 2, "output"),
        "Lh.scratch": (0, 0, "scratch"),
    }
    assert p.steps[0].scratch == "Lh.scratch"
    assert p.steps[1].scratch is None


@pytest.mark.parametrize(
    ("keeps", "overlaps"),
    [("nothing", True), ("output", False), ("later", False), ("variable", False), ("twice", False)],
)
def test_in_place_only_where_the_input_dies(keeps: str, overlaps: bool) -> None:
    b = Builder()
    x = b.input("x", 16)
    h = b.variable("h", 640) if keeps == "variable" else b.op("h", (x,), 640)
    in_place = FakeKernel(leads={(0, 0): 0})
    y = b.op("y", (h, h) if keeps == "twice" else (h,), 640, in_place)
    if keeps == "later":
        y = b.op("z", (y, h), 16)
    b.outputs(*([y, h] if keeps == "output" else [y]))
    p = plan(b)
    assert (p.offset("y") == p.offset("h")) is overlaps
    assert (p.arena_bytes == 16 + 640) is overlaps


def test_an_input_used_twice_needs_both_leads() -> None:
    b = Builder()
    h = b.op("h", (b.input("x", 64),), 64)
    p = plan(b.outputs(b.op("y", (h, h), 64, FakeKernel(leads={(0, 0): 0, (1, 0): 32}))))
    assert p.offset("y") + 32 <= p.offset("h")


def test_alias_chain_from_input_to_output() -> None:
    b = Builder()
    x = b.input("x", 100)
    p = plan(b.outputs(b.alias("r2", b.alias("r1", x))))
    assert p.steps == ()
    assert p.arena_bytes == 100
    assert p.offset("r2") == p.offset("r1") == p.offset("x")
    assert (p.buffers["x"].first, p.buffers["x"].last) == (-1, 0)


def test_alias_lives_as_long_as_any_of_its_names() -> None:
    b = Builder()
    x = b.input("x", 64)
    h = b.op("h", (x,), 64)
    r = b.alias("r", h)
    y = b.op("y", (r,), 64, FakeKernel(leads={(0, 0): 0}))
    z = b.op("z", (h, y), 64)  # h is read after y is written, so y must not take the bytes of r
    p = plan(b.outputs(z))
    assert p.aliases == {"r": "h"}
    assert [s.node.name for s in p.steps] == ["Lh", "Ly", "Lz"]
    assert abs(p.offset("y") - p.offset("r")) >= 64


@pytest.mark.parametrize("source", ["constant", "variable"])
def test_what_may_change_or_lies_in_flash_is_copied(source: str) -> None:
    b = Builder()
    b.input("x", 16)
    s = b.constant("s", 48) if source == "constant" else b.variable("s", 48)
    p = plan(b.outputs(b.alias("y", s)))
    assert p.aliases == {}
    assert [step.node.name for step in p.steps] == ["Ly"]
    assert "y" in p.buffers
    assert ("s" in p.buffers) is (source == "variable")


def test_an_output_that_is_an_input_or_a_constant() -> None:
    b = Builder()
    x, c = b.input("x", 20), b.constant("c", 30)
    p = plan(b.outputs(x, c))
    assert p.arena_bytes == 20
    assert p.constant_bytes == 30
    assert set(p.buffers) == {"x"}


def test_equal_constants_count_once() -> None:
    w, same, other = np.arange(50, dtype=np.int8), np.arange(50, dtype=np.int8), np.arange(50, dtype=np.int16)
    b = Builder()
    h = b.op("h", (b.input("x", 4),), 4, FakeKernel(weights=(w, other)))
    p = plan(b.outputs(b.op("y", (h,), 4, FakeKernel(weights=(same,)))))
    assert p.constant_bytes == 50 + 100


@pytest.mark.parametrize("seed", range(25))
def test_every_plan_is_legal(seed: int) -> None:
    b = random_dag(seed, 12, overlaps=True)
    p = plan(b)
    overlaps = [
        Overlap(above.name, s.node.y.name, lead)
        for s in p.steps
        for (i, _), lead in s.kernel.overlap(s.node, BOARD).items()
        if (above := s.node.inputs[i]) is not None and p.buffers[above.name].last == s.index
    ]
    assert violations(p.buffers.values(), overlaps, p.offsets) == []
    assert p.lower_bound_bytes <= p.arena_bytes
    assert all(p.offsets[n] + b.bytes <= p.arena_bytes for n, b in p.buffers.items())


LARGE = [5000, 60000, 9000]


def test_exactly_fitting_is_fitting() -> None:
    need = plan(chain(LARGE)).ram_bytes
    assert plan(chain(LARGE), max_ram=need).ram_bytes == need
    with pytest.raises(DoesNotFitError, match=f"needs {need:,} B"):
        plan(chain(LARGE), max_ram=need - 1)


def test_the_error_names_limit_peak_and_way_out() -> None:
    with pytest.raises(DoesNotFitError) as caught:
        plan(chain(LARGE), max_ram=20_000)
    e = caught.value
    assert e.exit_code == 4
    assert "--max-ram has 20,000 B" in e.message
    assert "t1 60,000 B" in e.message
    assert "t2 9,000 B" in e.message
    assert e.where == "layer Lt2"
    assert e.hints[0] == f"--max-ram {plan(chain(LARGE)).ram_bytes} is enough for this plan"


def test_the_region_of_the_board_is_a_limit() -> None:
    small = Target("small", stack_bytes=512, regions=(Region("F", 0, 100, "flash"), Region("R", 0, 4096, "ram")))
    with pytest.raises(DoesNotFitError, match="RAM region R of small has 4,096 B"):
        plan(chain(LARGE), target=small)
    b = chain([8, 8], lambda i, o: FakeKernel(weights=(np.zeros(101, np.int8),)))
    with pytest.raises(DoesNotFitError, match=r"need 101 B of flash.*has 100 B \(1 B too many\)"):
        plan(b, target=small)


def test_a_tensor_from_nowhere_is_an_error() -> None:
    b = chain([8, 8, 8])
    b.graph.ops.reverse()
    with pytest.raises(ModelFileError, match="before anything has computed it"):
        plan(b)
    b = chain([8, 8])
    b.graph.ops = []
    with pytest.raises(ModelFileError, match="nothing computes this output"):
        plan(b)


class _Fake(Operator):
    name = "fake"

    def infer(self, node: Node) -> list[TensorType]:
        return [TensorType(t.shape, t.dtype) for t in node.outputs]

    def macs(self, node: Node) -> int:
        return node.x.elements * node.y.elements


def test_plan_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_REGISTRY, "fake", _Fake())
    b = chain([640, 128, 8], lambda i, o: FakeKernel(need=o // 16, weights=(np.zeros(i, np.int8),)))
    b.graph.outputs = [b.alias("r", "t2")]
    data = json.loads(json.dumps(plan_data(plan(b, max_ram=4096))))
    assert data["arena_bytes"] == 640 + 128 + 8
    assert data["ram_bytes"] == data["arena_bytes"] + 1024
    assert data["flash_bytes"] == data["constant_bytes"] == 640 + 128
    assert data["macs"] == 640 * 128 + 128 * 8
    assert (data["macs_overhead_pct"], data["fusion"], data["max_ram"]) == (0.0, [], 4096)
    assert data["peak"] == {"step": 0, "layer": "layer Lt1", "bytes": 776}
    rows = {t["name"]: t for t in data["tensors"]}
    assert set(rows) == {"t0", "t1", "t2", "r", "Lt1.scratch"}
    assert {k: rows["t0"][k] for k in ("bytes", "first", "last", "kind")} == {
        "bytes": 640, "first": -1, "last": 0, "kind": "input",
    }  # fmt: skip
    assert rows["r"]["alias_of"] == "t2"
    assert rows["r"]["offset"] == rows["t2"]["offset"]
    assert [s["kernel"] for s in data["steps"]] == ["fake", "fake"]


def test_dead_outputs_and_missing_inputs_are_planned() -> None:
    b = Builder()
    x = b.input("x", 16)
    b.op("dead", (x,), 48)
    y = b.op("y", (x,), 16)
    b.graph.ops[1] = Op("Ly", "fake", (x, None), ("y",))
    p = plan(b.outputs(y))
    assert p.buffers["dead"].first == p.buffers["dead"].last
    assert p.arena_bytes == 64
