"""The report of a project that learns: costs, curve, comparison with TensorFlow; curves of every shape."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mcu_gen import api
from mcu_gen.report.learning_curve import learning_chart
from mcu_gen.report.page import render_page

from .conftest import DATA, Cli


def page(cli: Cli, project: Path, folder: Path) -> str:
    target = folder / "r.html"
    assert cli("report", project, "-o", target).code == 0
    return target.read_text()


def section(text: str) -> str:
    return text.split("<h2>Learning</h2>")[1].split("<h2>")[0]


def test_a_project_that_does_not_learn_says_nothing_of_it(cli: Cli, project: Path, tmp_path: Path) -> None:
    assert "Learning" not in page(cli, project, tmp_path)


def test_before_and_after_a_run(cli: Cli, learner: Path, tmp_path: Path) -> None:
    """Costs are there from the beginning, the curve after a run; one page, no outside references."""
    copy = tmp_path / "copy"
    shutil.copytree(learner, copy, ignore=shutil.ignore_patterns(".pio"))
    document = json.loads((copy / "mcu-gen.json").read_text())
    document.pop("training_run", None)
    (copy / "mcu-gen.json").write_text(json.dumps(document))
    costs = document["plan"]["training"]
    before = section(page(cli, copy, tmp_path))
    assert "No run yet" in before
    for number in (costs["trainable_parameters"], costs["saved_bytes"], costs["macs"]["forward"]):
        assert f"{number:,}" in before
    assert cli("train", copy, "--data", DATA, "--steps", 30, "--lr", "0.01").code == 0
    text = page(cli, copy, tmp_path)
    after = section(text)
    assert "it does not train" in text, "an interpreter's arena for inference is no peer of a training step"
    assert "30 steps on host over 450 samples" in after
    svg = re.search(r'<svg class="chart learning".*?</svg>', after, re.S)
    assert svg is not None
    assert len(ElementTree.fromstring(svg[0]).findall(".//{*}title")) == 30
    assert "forward pass" in text.split("<h2>Learning</h2>")[0], "the memory map says where the forward pass ends"
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_profile_and_comparison_are_shown(learner: Path) -> None:
    """Counts of a profile take the place of MACs in both tables; a mismatch names its tensor."""
    document = dict(api.open_project(learner).data)
    steps = document["plan"]["steps"]
    layers = [{"index": s["index"], "instructions": 1_000 + s["index"], "kind": "simulated"} for s in steps]
    total = {"instructions": sum(s["instructions"] for s in layers)}
    profile = {"unit": "instructions", "on": "qemu", "layers": layers, "total": total}
    validation = {
        "steps": 7, "on": "qemu", "oracle": "TensorFlow", "oracle_version": "2.0", "elements": 1_234, "mismatches": 0,
        "rule": "a rule", "tensors": [{"gradient": 2e-7}, {"gradient": None}], "first_mismatch": None,
    }  # fmt: skip
    text = render_page({**document, "training_profile": profile, "training_validation": validation})
    forward = sum(s["instructions"] for s, t in zip(layers, steps, strict=True) if t["part"] == "forward")
    assert f"{forward:,}" in section(text)
    assert f"{total['instructions']:,}" in text
    assert "0 mismatches (a rule)" in section(text)
    assert "2.0e-07" in section(text)
    wrong = {**validation, "mismatches": 3, "first_mismatch": {"tensor": "dense/weights"}}
    assert "3 mismatches, first in dense/weights" in section(render_page({**document, "training_validation": wrong}))


def run(losses: list[float | None], shares: list[float] | None = None, stretch: int = 1) -> dict[str, Any]:
    curve = [
        {"step": (i + 1) * stretch, "loss": v, "low": v, "high": v, "right": None if shares is None else shares[i]}
        for i, v in enumerate(losses)
    ]
    level = None if shares is None else 0.5
    return {"steps": len(losses) * stretch, "curve": curve, "accuracy_before": level, "accuracy_after": level}


@pytest.mark.parametrize(
    "found",
    [run([1.0]), run([0.0, 0.0]), run([2.0, 2.0, 2.0]), run([3.0, None, 1.0]), run([1e30, 1.0, 1e-30]),
     run([-1.0, 1.0]), run([1e-9, 2e-9]), run([0.5], [1.0]), run([4.0, 1.0, 0.1, 0.01], [0.0, 0.5, 1.0, 1.0], 250)],
    ids=range(9),
)  # fmt: skip
def test_curves_stay_inside_the_picture(found: dict[str, Any]) -> None:
    """Well-formed, every coordinate finite and inside the view box, one title per stretch of steps."""
    svg = learning_chart(found)
    tree = ElementTree.fromstring(svg)
    width, height = (float(v) for v in tree.attrib["viewBox"].split()[2:])
    assert "nan" not in svg
    assert "inf" not in svg.replace("info", "")
    for path in tree.findall(".//{*}path"):
        numbers = [float(v) for v in re.findall(r"-?[\d.]+", path.attrib["d"])]
        assert all(0 <= x <= width for x in numbers[::2])
        assert all(0 <= y <= height for y in numbers[1::2])
    assert len(tree.findall(".//{*}title")) == len(found["curve"])


def test_a_run_without_a_finite_loss_has_no_curve() -> None:
    assert learning_chart(run([None, None])) == ""
