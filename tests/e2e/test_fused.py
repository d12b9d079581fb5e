"""Fused plans as users run them: limits that the linker enforces, the bits of LiteRT, what streaming costs."""

from __future__ import annotations

import functools
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api.devices import open_device
from mcu_gen.api.samples import unbatch
from mcu_gen.build import build_host, build_project
from mcu_gen.errors import DoesNotFitError
from mcu_gen.plan.types import Plan
from mcu_gen.quantize.writer import write_tflite
from mcu_gen.run import open_host
from support.fused import FORMS, forced, residual_network

from .conftest import ROOT

BOARD = "mps2_an386"

#: Model, where its input is, bytes of RAM (stack included), percent of multiply-accumulates done twice: at most.
FIGURES = (
    ("mcunet_vww1_int8", "rows", 22_528, 1.0),
    ("mcunet_vww1_int8", "keep", 38_912, 1.0),
    ("mcunet_vww1_int8", "keep", 34_816, 5.0),
    ("mobilenet_vww_int8", "rows", 20_480, 1.0),
    ("resnet8_int8", "keep", 22_528, 1.0),
)

#: Models and modes among them.
PLANNED = sorted({f[:2] for f in FIGURES})

#: Instructions of a fused plan to those of the same model layer by layer.
MOST_INSTRUCTIONS = 1.08


def ram_length(project: Path) -> int:
    """Bytes of the RAM region in the linker script of a project."""
    (script,) = (project / "ld").glob("*.ld")
    return int(re.search(r"RAM .*LENGTH = (\d+)", script.read_text("utf-8"))[1])  # type: ignore[index]


def shorten_ram(project: Path) -> None:
    """Takes one byte from the RAM region in the linker script."""
    (script,) = (project / "ld").glob("*.ld")
    text = script.read_text("utf-8")
    length = ram_length(project)
    script.write_text(re.sub(rf"(RAM .*LENGTH = ){length}\b", rf"\g<1>{length - 1}", text), "utf-8")
    assert ram_length(project) == length - 1


@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize(("model", "mode", "ram", "extra"), FIGURES)
def test_figures(model: str, mode: str, ram: int, extra: float, shared: Path, tmp_path: Path) -> None:
    """The plan keeps both limits, the board has just that much RAM, the results are LiteRT's, and tiles cost few
    instructions more than layers."""
    options = api.PlanOptions(max_ram=ram, max_mac_overhead=extra, input_mode=mode)
    path = shared / "models" / f"{model}.tflite"
    found = api.validate(path, BOARD, api.Check(on="qemu", samples=1, options=options, out=tmp_path / "p"))
    assert found["mismatches"] == 0, found["first_mismatch"]
    assert found["ram_bytes"] <= ram
    assert found["macs_overhead_pct"] <= extra
    assert (found["input"] == "rows") == (mode == "rows")
    assert ram_length(tmp_path / "p") == ram
    linked = build_project(tmp_path / "p")
    assert linked.arena_bytes == found["arena_bytes"]
    assert linked.ram_bytes == found["ram_bytes"]
    assert found["instructions_per_sample"] <= MOST_INSTRUCTIONS * instructions_of_layers(path)


@functools.cache
def instructions_of_layers(model: Path) -> int:
    """What an inference takes layer by layer."""
    found = api.validate(model, BOARD, api.Check(on="qemu", samples=1, options=api.PlanOptions(fuse=False)))
    return int(found["instructions_per_sample"])


@pytest.mark.shared
@pytest.mark.parametrize(("model", "mode", "ram", "extra"), FIGURES)
def test_segments_touch_only_their_own_buffers(
    model: str, mode: str, ram: int, extra: float, shared: Path, tmp_path: Path
) -> None:
    """AddressSanitizer guards every byte of the arena that the running layer has no business with."""
    path = shared / "models" / f"{model}.tflite"
    _run_guarded(api.plan(path, BOARD, max_ram=ram, max_mac_overhead=extra, input_mode=mode), tmp_path / "p")


def _run_guarded(plan: Plan, out: Path) -> None:
    project = api.open_project(api.write(plan, out).dir)
    net = project.network.upper()
    program = build_host(project.dir, defines=[f"{net}_POISON", f"{net}_GUARD=64"], sanitize=True)
    with open_host(program) as device:
        device.infer(unbatch(api.random_batch(project.inputs, 1, 0), project.inputs)[0])
        assert device.stats().guard_ok is True


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 network with a residual branch, asymmetric paddings and odd sizes."""
    path = tmp_path_factory.mktemp("models") / "residual.tflite"
    path.write_bytes(write_tflite(residual_network()))
    return path


def smallest(model: Path, mode: str) -> int:
    """The RAM that the error names when nothing fits."""
    with pytest.raises(DoesNotFitError) as refused:
        api.plan(model, BOARD, max_ram=1100, input_mode=mode)
    assert "% MACs" in refused.value.hints[0], "what it would cost"
    return int(re.search(r"--max-ram (\d+)", refused.value.hints[0])[1])  # type: ignore[index]


def check_the_smallest(model: Path, mode: str, out: Path) -> None:
    ram = smallest(model, mode)
    project = api.generate(model, BOARD, out, max_ram=ram, input_mode=mode)
    assert build_project(project.dir).ram_bytes == ram
    with pytest.raises(DoesNotFitError) as refused:
        api.plan(model, BOARD, max_ram=ram - 1, input_mode=mode)
    assert f"--max-ram {ram} " in refused.value.hints[0]
    shorten_ram(project.dir)
    with pytest.raises(DoesNotFitError):
        build_project(project.dir)


@pytest.mark.qemu
@pytest.mark.parametrize("mode", ["keep", "rows"])
def test_one_byte_less_than_the_smallest_plan_is_refused_and_does_not_link(
    mode: str, residual: Path, tmp_path: Path
) -> None:
    check_the_smallest(residual, mode, tmp_path / "p")


@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize(
    ("model", "mode"),
    [pytest.param(*f, marks=pytest.mark.slow if f[0].startswith("mcunet") else ()) for f in PLANNED],
)
def test_the_smallest_plans_of_shared_models(model: str, mode: str, shared: Path, tmp_path: Path) -> None:
    check_the_smallest(shared / "models" / f"{model}.tflite", mode, tmp_path / "p")


@pytest.mark.slow
@pytest.mark.qemu
def test_mobilenetv2_in_100_kib(tmp_path: Path) -> None:
    """The example: MobileNetV2-1.0 at 224 x 224 in 102,400 B with at most 10 % more multiply-accumulates."""
    model = tmp_path / "mobilenetv2_int8.tflite"
    script = ROOT / "examples" / "mobilenetv2" / "make_model.py"
    subprocess.run([sys.executable, str(script), str(model)], check=True, timeout=120)
    options = api.PlanOptions(max_ram=102_400, max_mac_overhead=10.0, input_mode="rows")
    found = api.validate(model, BOARD, api.Check(on="qemu", samples=1, options=options, out=tmp_path / "p"))
    assert found["mismatches"] == 0, found["first_mismatch"]
    assert found["ram_bytes"] <= 102_400 == ram_length(tmp_path / "p")
    assert found["macs_overhead_pct"] <= 10


@pytest.mark.qemu
@pytest.mark.parametrize("board", [BOARD, "rv32_virt"])
def test_a_fused_plan_on_emulated_cores(board: str, residual: Path) -> None:
    options = api.PlanOptions(max_ram=api.plan(residual, board, fuse=False).ram_bytes * 3 // 4)
    found = api.validate(residual, board, api.Check(on="qemu", samples=3, options=options))
    assert found["segments"] > 0
    assert found["mismatches"] == 0, found["first_mismatch"]


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_computes_the_bits_of_the_layers(form: str, dtype: str, tmp_path: Path) -> None:
    """Rows, tiles of several columns, patches, a streamed input: the same bits as layer by layer, int8 and float32."""
    graph = residual_network(dtype)
    whole = api.plan(graph, BOARD, fuse=False)
    fused = forced(graph, whole.target, form)
    assert fused.segments
    outputs = []
    for name, plan in (("whole", whole), ("fused", fused)):
        project = api.open_project(api.write(plan, tmp_path / name).dir)
        batch = unbatch(api.random_batch(project.inputs, 4, 3), project.inputs)
        with open_device(project, "host", guard=True) as device:
            outputs.append([device.infer(sample) for sample in batch])
            assert device.stats().guard_ok is True
    for a, b in zip(*outputs, strict=True):
        assert [x.tobytes() for x in a] == [y.tobytes() for y in b]


@pytest.mark.parametrize("form", ["rows", "tiles", "patches", "streamed"])
def test_accuracy_on_real_data_is_that_of_the_layers(form: str, digits: Path, tmp_path: Path) -> None:
    """All 450 digits of the test split: the same scores fused as layer by layer, hence the same accuracy."""
    with np.load(ROOT / "examples" / "digits" / "digits_test.npz") as data:
        x, y = data["x"], data["y"]
    whole = api.plan(digits, BOARD, fuse=False)
    found = []
    for name, plan in (("whole", whole), ("fused", forced(whole.graph, whole.target, form))):
        (scores,) = api.run(api.write(plan, tmp_path / name).dir, x).outputs.values()
        found.append(scores.reshape(len(y), -1))
    assert np.array_equal(*found)
    right = [int((np.argmax(scores, axis=1) == y).sum()) for scores in found]
    assert right[0] == right[1] > 430


@pytest.mark.shared
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_accuracy_on_photographs_is_that_of_the_layers(every: int, shared: Path, tmp_path: Path) -> None:
    """ResNet8 on 200 pictures of CIFAR-10 (or 40): kept, or pushed in rows, they score as layer by layer."""
    image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(shared / "data" / "cifar10_jpeg" / "test_200.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[::every]
        x = np.stack([np.asarray(image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names])
    labels = [n.split("/")[0] for n in names]
    y = np.array([sorted(set(labels)).index(label) for label in labels])
    model = shared / "models" / "resnet8_int8.tflite"
    limits = {"layers": {"fuse": False}, "kept": {"max_ram": 22_528, "input_mode": "keep"},
              "rows": {"max_ram": 18_432, "input_mode": "rows"}}  # fmt: skip
    found = {}
    for name, options in limits.items():
        plan = api.plan(model, BOARD, **options)
        assert bool(plan.segments) == (name != "layers")
        (scores,) = api.run(api.write(plan, tmp_path / name).dir, x).outputs.values()
        found[name] = scores.reshape(len(y), -1)
    assert np.array_equal(found["layers"], found["kept"])
    assert np.array_equal(found["layers"], found["rows"])
    right = {name: int((scores.argmax(axis=1) == y).sum()) for name, scores in found.items()}
    assert right["layers"] == right["kept"] == right["rows"] >= 0.7 * len(y), right


@pytest.mark.qemu
def test_profile_sums_over_tiles(residual: Path, tmp_path: Path) -> None:
    """Every layer of a segment has its instructions, and the MACs of patches count what is computed twice."""
    graph = api.load(residual)
    plan = forced(graph, api.plan(graph, BOARD).target, "patches")
    found = api.profile(api.write(plan, tmp_path / "p").dir)
    assert len(found["layers"]) == len(plan.steps)
    assert all(layer["instructions"] > 0 for layer in found["layers"])
    assert found["total"]["macs"] == plan.base_macs + plan.extra_macs
    assert found["total"]["macs_once"] == plan.base_macs < found["total"]["macs"]


def test_the_search_for_the_first_difference_knows_segments(residual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers inside a segment have no whole output to compare: the end of the segment is named in their place."""
    asked = api.validation.run_litert  # type: ignore[attr-defined]

    def wrong_from_the_start(*args: object, **options: object) -> object:
        found = asked(*args, **options)
        for tensors in found.tensors or ():
            for array in tensors.values():
                if array.dtype == np.int8:
                    array ^= 1
        for outputs in found.outputs:
            for array in outputs:
                array ^= 1
        return found

    monkeypatch.setattr("mcu_gen.api.validation.run_litert", wrong_from_the_start)
    options = api.PlanOptions(max_mac_overhead=0.0, input_mode="rows")
    found = api.validate(residual, BOARD, api.Check(samples=1, options=options))
    layer = found["first_mismatch"]["layer"]
    assert layer["segment"] is not None
    assert layer["index"] == layer["segment"][1] > layer["segment"][0]
