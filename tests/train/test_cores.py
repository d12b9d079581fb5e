"""Training on every emulated core: the host's bits, from every kernel that a training step can call there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.test_warnings import CLANG, MORE
from mcu_gen.graph import Graph, operators
from mcu_gen.kernels import select
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, list_targets, load_target
from mcu_gen.train import make_training_graph, parse_spec
from support.emulated import available
from support.three_way import CFLAGS, compile_units, write_library
from support.training import HOST
from support.training_cores import TrainingCase, train_here, train_on_core
from train.network import Network, build
from train.networks import NETWORKS

CORES = [t.name for t in list_targets() if "qemu" in t.emulators]


def trainer(network: Network) -> Graph:
    return make_training_graph(build(network), parse_spec(f"all,loss={network.loss}"), rate=0.05)


def case_of(network: Network, graph: Graph, target: Target, steps: int = 3) -> TrainingCase:
    """A few steps, every one on another sample."""
    rng = np.random.default_rng(1)
    x, label = network.arrays["x"], network.arrays["label"]
    noise = rng.normal(0, 0.5, (steps, *x.shape)).astype(np.float32)
    return TrainingCase(network.name, make_plan(graph, target, fuse=False), [(x + n, label) for n in noise])


def covering(found: dict[str, set[str]]) -> list[str]:
    """Few of the keys, whose sets hold all that any of them holds: the next one adds the most."""
    missing = set[str]().union(*found.values())
    chosen = []
    while missing:
        best = max(found, key=lambda n: len(found[n] & missing))
        chosen.append(best)
        missing -= found[best]
    return chosen


def covering_cases(target: Target) -> list[TrainingCase]:
    """Cases that call every kernel which the networks call on ``target``."""
    graphs = {n.name: (n, trainer(n)) for n in NETWORKS}
    called = {name: {select(node, target).name for node in g.nodes()} for name, (_, g) in graphs.items()}
    return [case_of(*graphs[name], target) for name in covering(called)]


@pytest.mark.qemu
@pytest.mark.parametrize("board", CORES)
def test_cores_give_the_hosts_bits_from_every_kernel(board: str, tmp_path: Path) -> None:
    target = load_target(board)
    cases = covering_cases(target)
    of_training = {o.name for o in operators() if not o.builtin}
    claimed = {k.name for k in available(target) if of_training.intersection(k.ops)}
    assert claimed <= {step.kernel.name for case in cases for step in case.plan.steps}
    assert train_on_core(tmp_path / "core", cases, target) == train_here(tmp_path / "host", cases)


@pytest.mark.skipif(CLANG is None, reason="SKIPPED: Clang is not installed")
def test_clang_has_no_warnings(tmp_path: Path) -> None:
    assert CLANG is not None
    units = [write_library(tmp_path, case.plan, f"n{i}") for i, case in enumerate(covering_cases(HOST))]
    messages = compile_units([CLANG, *CFLAGS, *MORE, "-fsyntax-only"], units)
    assert not messages, "\n".join(messages.values())
