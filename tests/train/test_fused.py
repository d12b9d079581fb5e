"""Training steps whose frozen layers run tile by tile: the same bits as layer by layer, in less memory."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api.projects import open_project
from mcu_gen.build import build_project
from mcu_gen.errors import DoesNotFitError, UnsupportedModelError
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.types import Plan
from mcu_gen.train import make_training_graph, parse_spec
from support.fused import cut_at_random
from support.integer_networks import Integer, quantized
from support.training import HOST, Run, train_c, train_plan
from train.networks import Network, build, conv, dense, depthwise, op, pool

#: Deep enough for several segments, with a branch.
DEEP = Network(
    "deep", (1, 17, 14, 3),
    [conv(6, (3, 3), stride=(2, 1), activation="relu"), depthwise((3, 3), activation="relu6"), conv(6, (1, 1)),
     op("add", **{"with": 0}), pool("max", (2, 2)), conv(8, (3, 2), activation="relu"), depthwise((3, 3)),
     op("mean"), dense(9, activation="relu"), dense(4), op("softmax")],
)  # fmt: skip

#: Its first map is large and its head small.
WIDE = Network(
    "wide", (1, 24, 20, 3),
    [conv(12, (3, 3), activation="relu"), depthwise((3, 3)), pool("max", (2, 2)), conv(8, (1, 1), activation="relu"),
     op("mean"), dense(4), op("softmax")],
)  # fmt: skip

#: Model, SPEC, where its input is, bytes of RAM (stack included) of a plan that computes nothing twice.
FIGURES = (
    ("mcunet_vww1_int8", "head", "rows", 16_420),
    ("mobilenet_vww_int8", "last:2", "rows", 15_716),
    ("resnet8_int8", "head", "keep", 21_316),
)


def labelled(made: Integer) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(2)
    return [(s[0], rng.integers(0, 4, 1).astype(np.int32)) for s in made.samples]


def same(a: Run, b: Run) -> bool:
    """Whether two runs have the same bits."""
    pairs = [(a.losses, b.losses), (a.predictions, b.predictions), *((a.weights[k], b.weights[k]) for k in b.weights)]
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


@pytest.mark.parametrize(
    ("spec", "form"),
    [("head,replay=3", "int8"), ("last:3", "int8"), ("layers=conv2d5+fully_connected9", "int8"), ("last:2", "float")],
)
def test_plans_cut_at_random_train_with_the_same_bits(spec: str, form: str, tmp_path: Path) -> None:
    """AddressSanitizer guards all of the arena that a layer has no business with, tiles and streamed rows included."""
    made = quantized(build(DEEP))
    samples = labelled(made)
    network = made.graph
    if form == "float":
        network = build(DEEP)
        samples = [(x.astype(np.float32) / 50, y) for x, y in samples]
    graph = make_training_graph(network, parse_spec(spec), rate=0.05)
    want = train_c(graph, samples, tmp_path)
    rng = random.Random(spec)
    plans = [p for p in (cut_at_random(graph, rng) for _ in range(16)) if p is not None]
    for streamed in (True, False):
        plan = max((p for p in plans if (p.streamed is not None) == streamed), key=lambda p: len(p.segments))
        assert all(s.last < plan.inference_steps for s in plan.segments)
        folder = tmp_path / f"cut{streamed}"
        folder.mkdir()
        assert same(train_plan(plan, samples, folder), want)


def test_what_the_backward_pass_reads_is_whole() -> None:
    """With all layers trained there is nothing to fuse, and the input, which a gradient needs, cannot be streamed."""
    graph = make_training_graph(quantized(build(DEEP)).graph, parse_spec("all"))
    assert cut_at_random(graph, random.Random(0)) is None
    with pytest.raises(UnsupportedModelError, match="streamed"):
        make_plan(graph, HOST, input_mode="rows")


def _checked(plan: Plan, ram: int) -> None:
    assert plan.segments
    assert plan.extra_macs == 0
    assert plan.ram_bytes <= ram


@pytest.mark.shared
@pytest.mark.parametrize(("model", "spec", "mode", "ram"), FIGURES)
def test_figures(model: str, spec: str, mode: str, ram: int, shared: Path) -> None:
    path = shared / "models" / f"{model}.tflite"
    _checked(api.plan(path, "mps2_an386", max_ram=ram, max_mac_overhead=0, input_mode=mode, train=spec), ram)


def test_what_does_not_fit_names_what_does() -> None:
    with pytest.raises(DoesNotFitError) as caught:
        api.plan(quantized(build(WIDE)).graph, "mps2_an386", max_ram=2048, train="head")
    assert any("--max-ram" in hint for hint in caught.value.hints)


@pytest.mark.qemu
@pytest.mark.parametrize("mode", ["keep", "rows"])
def test_a_fused_project_trains_within_its_limit(mode: str, tmp_path: Path) -> None:
    """The linked RAM is the planned one and the linker enforces the limit; the core has the bits of the host, and of
    a project that runs layer by layer."""
    made = quantized(build(WIDE), count=12)
    whole = api.plan(made.graph, "mps2_an386", train="head")
    front = api.pareto(made.graph, "mps2_an386", input_mode=mode, train="head")
    limit = min(p.ram_bytes for p in front if p.extra_macs == 0)
    assert limit < 0.6 * whole.ram_bytes
    api.generate(made.graph, "mps2_an386", tmp_path / "fused", train="head", max_ram=limit, input_mode=mode)
    api.generate(made.graph, "mps2_an386", tmp_path / "whole", train="head")
    assert build_project(tmp_path / "fused").ram_bytes <= limit
    layers = open_project(tmp_path / "fused").data["layers"]
    assert all(layer["computed_macs"] == layer["macs"] for layer in layers)
    x, y = (np.concatenate(arrays) for arrays in zip(*labelled(made), strict=True))
    runs = [api.train(tmp_path / name, x, y, steps=12, rate=0.05, on=on)
            for name, on in (("fused", "qemu"), ("fused", "host"), ("whole", "host"))]  # fmt: skip
    assert all(r.loss == runs[0].loss for r in runs)
    assert all(r.weights[k].tobytes() == runs[0].weights[k].tobytes() for r in runs for k in runs[0].weights)
