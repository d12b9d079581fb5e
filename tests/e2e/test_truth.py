"""The plan is the truth: what the linker places and what a run touches is what was planned."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api.devices import open_device
from mcu_gen.api.samples import unbatch
from mcu_gen.build import build_host, build_project
from mcu_gen.build.elf import arena_in_map
from mcu_gen.errors import DoesNotFitError
from mcu_gen.run import open_host

SHARED = (
    "hello_world_int8",
    "hello_world_float",
    "dscnn_kws_int8",
    "resnet8_int8",
    "resnet8_float",
    "mobilenet_vww_int8",
    "mcunet_vww1_int8",
)

#: RAM bars of a layer-by-layer plan, model input included: bytes of arena.
BARS = {
    "resnet8_int8": 49_728,
    "dscnn_kws_int8": 16_000,
    "mobilenet_vww_int8": 55_296,
    "mcunet_vww1_int8": 92_000,
}


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2_an386", "rv32_virt"])
def test_the_linker_places_what_was_planned(digits: Path, board: str, tmp_path: Path) -> None:
    """Arena symbol (in ELF and map) = planned arena; .data + .bss + stack = planned RAM, not a byte more."""
    plan = api.plan(digits, board)
    project = api.write(plan, tmp_path / "p")
    result = build_project(project.dir)
    net = api.open_project(project.dir).network
    assert result.arena_bytes == plan.arena_bytes
    assert arena_in_map(result.map, f"{net}_arena") == plan.arena_bytes
    assert result.stack_bytes == plan.stack_bytes
    assert result.ram_bytes == plan.ram_bytes
    assert result.stack_bound.bytes <= plan.stack_bytes


@pytest.mark.qemu
def test_exactly_the_planned_ram_links_and_runs_and_one_byte_less_does_not(digits: Path, tmp_path: Path) -> None:
    """With --max-ram equal to the plan the firmware links and computes; with one byte less the planner refuses it
    (layer by layer), and a linker script that is one byte shorter fails to link."""
    free = api.plan(digits, "mps2_an386")
    project = api.generate(digits, "mps2_an386", tmp_path / "p", max_ram=free.ram_bytes)
    with open_device(api.open_project(project.dir), "qemu") as device:
        sample = api.random_batch(api.open_project(project.dir).inputs, 1, 0)
        device.infer(unbatch(sample, api.open_project(project.dir).inputs)[0])
        stats = device.stats()
    assert 0 < stats.stack_used <= free.stack_bytes
    with pytest.raises(DoesNotFitError) as refused:
        api.plan(digits, "mps2_an386", max_ram=free.ram_bytes - 1, fuse=False)
    assert f"{free.ram_bytes:,}" in str(refused.value) + " ".join(refused.value.hints)
    script = project.dir / "ld" / "mps2_an386.ld"
    text = script.read_text("utf-8")
    shorter = re.sub(rf"(RAM .*LENGTH = ){free.ram_bytes}\b", rf"\g<1>{free.ram_bytes - 1}", text)
    assert shorter != text
    script.write_text(shorter, "utf-8")
    with pytest.raises(DoesNotFitError):
        build_project(project.dir)


@pytest.mark.qemu
def test_guard_zones_stay_untouched_on_the_device(digits: Path, tmp_path: Path) -> None:
    project = api.open_project(api.generate(digits, "mps2_an386", tmp_path / "p").dir)
    batch = unbatch(api.random_batch(project.inputs, 3, 7), project.inputs)
    with open_device(project, "qemu", guard=True) as device:
        for sample in batch:
            device.infer(sample)
        assert device.stats().guard_ok is True


def _poisoned(model: Path, out: Path) -> Path:
    project = api.open_project(api.generate(model, "mps2_an386", out).dir)
    net = project.network.upper()
    return build_host(project.dir, defines=[f"{net}_POISON", f"{net}_GUARD=64"], sanitize=True)


def test_no_layer_touches_a_byte_outside_its_own_buffers(digits: Path, tmp_path: Path) -> None:
    """AddressSanitizer guards every byte of the arena that the running layer has no business with."""
    program = _poisoned(digits, tmp_path / "p")
    project = api.open_project(tmp_path / "p")
    sample = unbatch(api.random_batch(project.inputs, 1, 0), project.inputs)[0]
    with open_host(program) as device:
        device.infer(sample)
        assert device.stats().guard_ok is True


@pytest.mark.shared
@pytest.mark.parametrize("model", SHARED)
def test_shared_models_touch_only_their_own_buffers(model: str, shared: Path, tmp_path: Path) -> None:
    program = _poisoned(shared / "models" / f"{model}.tflite", tmp_path / "p")
    project = api.open_project(tmp_path / "p")
    sample = unbatch(api.random_batch(project.inputs, 1, 0), project.inputs)[0]
    with open_host(program) as device:
        device.infer(sample)
        assert device.stats().guard_ok is True


@pytest.mark.shared
@pytest.mark.parametrize("model", sorted(BARS))
def test_ram_bars(model: str, shared: Path) -> None:
    assert api.plan(shared / "models" / f"{model}.tflite", "mps2_an386").arena_bytes <= BARS[model]


def test_generation_is_byte_identical(digits: Path, tmp_path: Path) -> None:
    """The same model and options give the same bytes, and no file names a path of this machine."""
    for name in ("a", "b"):
        api.generate(digits, "mps2_an386", tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files
    for file in files:
        content = (tmp_path / "a" / file).read_bytes()
        assert content == (tmp_path / "b" / file).read_bytes(), file
        assert str(tmp_path).encode() not in content, file
        assert str(Path.home()).encode() not in content, file


def test_the_arena_is_the_sum_of_nothing_else(digits: Path) -> None:
    """Every tensor of the plan lies inside the arena, and the arena ends where the last of them does."""
    plan = api.plan(digits, "mps2_an386")
    ends = [plan.offsets[b.name] + b.bytes for b in plan.buffers.values()]
    assert max(ends) == plan.arena_bytes
    assert np.min([plan.offsets[b.name] for b in plan.buffers.values()]) == 0
