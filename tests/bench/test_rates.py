"""The cost model: what kernels predict is what the emulator counts, on every layer of the shared models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.bench import ROOT
from bench.counting import Sample, count_layers, count_plans
from bench.rates import errors, fitted, measurable
from mcu_gen import api
from mcu_gen.errors import McuGenError
from mcu_gen.graph import DType, Graph, Op, Tensor
from mcu_gen.kernels import kernels, select
from mcu_gen.kernels.rates import MEASURED, instruction_set, measured
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import FEATURES, Target, list_targets, load_target

#: The largest error of a prediction, in percent of the count.
LIMIT = 10.0
#: Kernels that do the same at every call.
OF_ONE_SIZE = {"replay_admit", "replay_draw", "step_size_f32"}
#: Kernels whose count depends on the numbers that they get: exponentials that are 0 are left out.
OF_DATA = {"softmax_s8": 45.0}

CORES = [
    board if feature == "dsp" else pytest.param(board, marks=pytest.mark.slow) for feature, board in MEASURED.items()
]


def shared_graphs(shared: Path) -> dict[str, Graph]:
    """The shared models that are supported."""
    found = {}
    for path in sorted((shared / "models").glob("*.tflite")):
        try:
            found[path.stem] = api.load(path)
        except McuGenError:
            continue
    return found


@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize("board", CORES)
def test_predictions_are_within_ten_percent_on_every_layer(board: str, shared: Path, tmp_path: Path) -> None:
    target = load_target(board)
    graphs = shared_graphs(shared)
    plans = [make_plan(graph, target, fuse=False) for graph in graphs.values()]
    wrong, layers = [], 0
    for name, plan, counts in zip(graphs, plans, count_plans(plans, target, tmp_path), strict=True):
        for step, count in zip(plan.steps, counts, strict=True):
            told = step.kernel.cost(step.node, target)
            layers += 1
            if abs(told - count) > OF_DATA.get(step.kernel.name, LIMIT) / 100 * count:
                wrong.append(f"{name} {step.node.name} ({step.kernel.name}): {told:,}, counted {count:,}")
    assert layers > 100
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize("board", MEASURED.values())
@pytest.mark.parametrize("model", ["dscnn_kws_int8", "hello_world_int8", "resnet8_int8"])
def test_the_chosen_kernel_is_the_fastest(board: str, model: str, shared: Path) -> None:
    target = load_target(board)
    nodes = list(api.load(shared / "models" / f"{model}.tflite").nodes())
    able = [k for k in kernels() if set(k.features) <= set(target.features)]
    own = [k for k in able if not (k.alias or k.expanded or k.tiles_only)]
    jobs = [(k, [n for n in nodes if n.type in k.ops and k.rejects(n, target) is None]) for k in own]
    jobs = [(k, accepted) for k, accepted in jobs if accepted]
    counts: dict[str, dict[str, int]] = {}
    samples = iter(count_layers(jobs, target))
    for kernel, accepted in jobs:
        for node in accepted:
            counts.setdefault(node.name, {})[kernel.name] = next(samples).instructions
    for node in nodes:
        if node.name in counts:
            of_node = counts[node.name]
            assert of_node[select(node, target).name] <= 1.03 * min(of_node.values()), f"{node.name}: {of_node}"


@pytest.mark.parametrize("feature", MEASURED)
def test_every_kernel_that_counts_its_work_has_rates(feature: str) -> None:
    target = load_target(MEASURED[feature])
    assert instruction_set(target) == feature
    own = {k.name for of_training in (False, True) for k in measurable(target, of_training=of_training)}
    missing = sorted(own - set(measured()[feature]))
    assert missing == [], f"measure them: python tests/bench/rates.py --isa {feature} --kernel NAME --write"
    named = {k.name for k in kernels()}
    for name, rates in measured()[feature].items():
        assert name in named, f"there is no kernel {name}"
        assert rates, f"{name} has no rates"
        assert all(r > 0 for r in rates.values())
        assert set(rates) != {"call"} or name in OF_ONE_SIZE, f"{name}: measure it with several sizes (steps.py)"


def test_every_board_has_an_instruction_set() -> None:
    assert {instruction_set(t) for t in list_targets()} <= set(MEASURED)
    assert instruction_set(Target("host", features=frozenset(FEATURES))) == "mve"
    assert instruction_set(Target("host")) == ""


def test_fitted_rates_explain_what_was_measured() -> None:
    target = Target("host")
    (kernel,) = (k for k in kernels() if k.name == "conv2d_block_s8")
    true = {"call": 20.0, "pair": 31.0, "block": 40.0, "row": 6.0, "step": 49.0, "odd": 25.0, "copied row": 90.0}
    graph = api.load(ROOT / "examples" / "digits" / "digits_int8.tflite")
    nodes = [n for n in graph.nodes() if n.type in kernel.ops and kernel.rejects(n, target) is None]
    assert len(nodes) > 1
    samples = []
    for node in nodes:
        spent = sum(true.get(unit, 0.0) * n for unit, n in kernel.work(node, target).items())
        samples.append(Sample(node, kernel, round(spent)))
    rates = fitted(samples, [1.0] * len(samples), target)
    assert all(r > 0 for r in rates.values())
    assert float(np.abs(errors(samples, rates, target)).max()) < 0.1


def test_samples_of_one_size_are_explained_by_their_size() -> None:
    target = Target("host")
    (kernel,) = (k for k in kernels() if k.name == "logistic_f32")
    graph = Graph("one size")
    graph.add_tensor(Tensor("x", (1, 40), DType.FLOAT32))
    graph.add_tensor(Tensor("y", (1, 40), DType.FLOAT32))
    graph.ops.append(Op("y", "logistic", ("x",), ("y",)))
    (node,) = graph.nodes()
    rates = fitted([Sample(node, kernel, 400)] * 3, [1.0] * 3, target)
    assert "call" not in rates
    assert rates.keys() <= kernel.work(node, target).keys()
    assert errors([Sample(node, kernel, 400)], rates, target) == pytest.approx([0.0], abs=0.1)
