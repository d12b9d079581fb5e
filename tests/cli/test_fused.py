"""Plan options of fused execution, from the command line to generated files and the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mcu_gen import api
from mcu_gen.quantize.writer import write_tflite
from support.fused import residual_network

from .conftest import BOARD, Cli


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "residual.tflite"
    path.write_bytes(write_tflite(residual_network()))
    return path


@pytest.fixture(scope="module")
def whole(residual: Path) -> int:
    """RAM of the plan in which every layer runs as a whole."""
    return api.plan(residual, BOARD, fuse=False).ram_bytes


def test_a_limit_gives_segments(residual: Path, whole: int, cli: Cli) -> None:
    limit = whole * 3 // 4
    data = cli("plan", residual, "-b", BOARD, "--max-ram", limit, "--json").data
    assert data["ram_bytes"] <= limit < whole
    assert data["macs"] == sum(s["macs"] for s in data["steps"]) + sum(s["extra_macs"] for s in data["fusion"])
    for segment in data["fusion"]:
        assert set(segment) >= {"first", "last", "form", "tile_h", "tile_w", "n_y", "n_x", "streamed", "extra_macs"}
    text = cli("plan", residual, "-b", BOARD, "--max-ram", limit)
    assert text.code == 0
    assert "segment" in text.out
    assert "┌" in text.out


def test_no_fuse_and_limits_exclude_segments(residual: Path, whole: int, cli: Cli) -> None:
    assert cli("plan", residual, "-b", BOARD, "--no-fuse", "--json").data["fusion"] == []
    assert cli("plan", residual, "-b", BOARD, "--no-fuse", "--max-ram", whole * 3 // 4).code == 4
    assert cli("plan", residual, "-b", BOARD, "--no-fuse", "--input", "rows").code == 2


@pytest.mark.parametrize("mode", ["keep", "rows"])
def test_the_input_is_where_it_was_asked_for(mode: str, residual: Path, cli: Cli) -> None:
    data = cli("plan", residual, "-b", BOARD, "--max-mac-overhead", 10, "--input", mode, "--json").data
    assert data["input_form"] == mode
    assert data["macs_overhead_pct"] <= 10


def test_the_front_falls_in_ram_and_rises_in_work(residual: Path, cli: Cli) -> None:
    ran = cli("plan", residual, "-b", BOARD, "--pareto", "--json")
    front = ran.data["pareto"]
    rams, macs = [p["ram_bytes"] for p in front], [p["macs"] for p in front]
    assert len(front) > 1
    assert rams == sorted(set(rams), reverse=True)
    assert macs == sorted(macs)
    for point in (front[0], front[-1]):  # every point is a plan that its limit gives
        found = cli("plan", residual, "-b", BOARD, "--max-ram", point["ram_bytes"], "--json").data
        assert found["ram_bytes"] <= point["ram_bytes"]
        assert found["macs"] <= point["macs"] or found["input_form"] != point["input"]
    assert f"{rams[-1]:,}" in cli("plan", residual, "-b", BOARD, "--pareto").out


def test_the_front_keeps_to_the_limit_of_flash(residual: Path, cli: Cli) -> None:
    plain = cli("plan", residual, "-b", BOARD, "--pareto", "--json").data
    assert {p["flash_bytes"] for p in plain["pareto"]} >= {plain["flash_bytes"]}
    for limit in (plain["flash_bytes"], 1 << 20):
        wide = cli("plan", residual, "-b", BOARD, "--pareto", "--max-flash", limit, "--json").data
        assert wide["pareto"][0]["flash_bytes"] == wide["flash_bytes"]
        assert all(p["flash_bytes"] <= limit for p in wide["pareto"])
    assert wide["flash_bytes"] > plain["flash_bytes"]


def test_what_does_not_fit_names_the_smallest_and_its_cost(residual: Path, cli: Cli) -> None:
    ran = cli("plan", residual, "-b", BOARD, "--max-ram", "1100", "--json")
    assert ran.code == 4
    needed = re.search(
        r"--max-ram (\d+) gives a plan of [\d,]+ B at \+[\d.]+ % MACs", ran.document["error"]["hints"][0]
    )
    assert needed, ran.document["error"]["hints"]
    assert cli("plan", residual, "-b", BOARD, "--max-ram", needed[1]).code == 0
    assert cli("plan", residual, "-b", BOARD, "--max-ram", int(needed[1]) - 1).code == 4


@pytest.mark.parametrize("wrong", [["--max-mac-overhead", "-1"], ["--max-mac-overhead", "nan"], ["--input", "pixels"]])
def test_options_that_mean_nothing(wrong: list[str], residual: Path, cli: Cli) -> None:
    ran = cli("plan", residual, "-b", BOARD, *wrong, "--json")
    assert ran.code == 2
    assert wrong[0].lstrip("-") in json.dumps(ran.document["error"])


def test_options_are_recorded(residual: Path, whole: int, cli: Cli, tmp_path: Path) -> None:
    options = ["--max-ram", str(whole), "--max-mac-overhead", "5", "--input", "rows"]
    assert cli("generate", residual, "-b", BOARD, *options, "--pareto", "-o", tmp_path / "p").code == 0
    recorded = json.loads((tmp_path / "p" / "mcu-gen.json").read_text("utf-8"))
    assert recorded["options"] == {"max-ram": str(whole), "max-mac-overhead": "5", "input": "rows"}
    assert recorded["plan"]["pareto"]
    header = next((tmp_path / "p" / "lib").glob("residual/include/residual.h")).read_text("utf-8")
    assert "--input rows --max-mac-overhead 5" in header


def test_analyze_names_the_peak_and_limits_that_work(residual: Path, cli: Cli) -> None:
    data = cli("analyze", residual, "-b", BOARD, "--json").data
    assert data["peak"]["bytes"] == data["activation_peak_bytes"]
    assert sum(t["bytes"] for t in data["peak"]["tensors"]) == data["peak"]["bytes"]
    assert {s["input"] for s in data["suggestions"]} == {"keep", "rows"}, "with the input in memory, and pushed"
    for suggestion in data["suggestions"]:
        mode = "rows" if suggestion["input"] == "rows" else "keep"
        limit = ["--max-ram", suggestion["max_ram"], "--input", mode]
        found = cli("plan", residual, "-b", BOARD, *limit, "--json").data
        assert found["ram_bytes"] <= suggestion["max_ram"]
        assert found["macs_overhead_pct"] <= suggestion["macs_overhead_pct"] + 1e-9
    assert "--max-ram" in cli("analyze", residual, "-b", BOARD).out
    assert "pareto" not in cli("analyze", residual, "-b", BOARD, "--quick", "--json").data


def test_the_report_draws_segments_front_and_limit(residual: Path, whole: int, cli: Cli, tmp_path: Path) -> None:
    limit = whole * 3 // 4
    assert cli("generate", residual, "-b", BOARD, "--max-ram", limit, "-o", tmp_path / "p").code == 0
    page = tmp_path / "report.html"
    assert cli("report", tmp_path / "p", "-o", page, "--model", residual).code == 0
    text = page.read_text("utf-8")
    pictures = {}
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        root = ElementTree.fromstring(svg)  # well formed
        classes = [str(e.get("class")) for e in root.iter()]
        pictures[root.get("class")] = classes
    plan = json.loads((tmp_path / "p" / "mcu-gen.json").read_text("utf-8"))["plan"]
    assert pictures["memory-map"].count("band") == len(plan["fusion"]) > 0
    assert "limit" in pictures["memory-map"]
    assert any(c.startswith("buffer patch") for c in pictures["memory-map"])
    assert pictures["schedule"].count("bracket") == len(plan["fusion"])
    assert pictures["schedule"].count("dot") == len(plan["steps"])
    points = [c for c in pictures["chart"] if c.startswith("point")]
    assert len(points) == len(plan["pareto"]) + 1
    assert "point chosen" in points
    assert not re.search(r'(src|href)="?https?:', text), "self-contained"
