"""Training on every emulated core: the host's bits, from every kernel that a training step can call there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kernels.test_warnings import CLANG, MORE
from mcu_gen.graph import Graph, Node, operators
from mcu_gen.kernels import Kernel, select
from mcu_gen.kernels.contract import select_tiled
from mcu_gen.plan.planner import make_plan
from mcu_gen.targets import Target, list_targets, load_target
from mcu_gen.train import make_training_graph, parse_spec
from support.emulated import available
from support.integer_networks import quantized
from support.three_way import CFLAGS, compile_units, write_library
from support.training import HOST
from support.training_cores import TrainingCase, train_here, train_on_core
from train.network import Network, build
from train.networks import NETWORKS, conv, dense, op, pool

CORES = [t.name for t in list_targets() if "qemu" in t.emulators]


#: Ways to train, each with kernels of its own.
REQUESTS = (
    "", ",dtype=f16,loss_scale=64", ",dtype=f16,rounding=stochastic", ",dtype=f16,rounding=stochastic,batch=2",
    ",optimizer=momentum,clip=1,normalize=running", ",optimizer=momentum,dtype=f16,rounding=nearest",
    ",optimizer=adam,replay=2", ",optimizer=adam,dtype=f16,rounding=stochastic",
)  # fmt: skip


def trainer(network: Network, request: str) -> Graph:
    return make_training_graph(build(network), parse_spec(f"all,loss={network.loss}{request}"), rate=0.05)


#: Besides the networks of all gradient rules: a pool over the whole map, planned as fused segments end in it.
GLOBAL = Network(
    "global pool", (1, 9, 8, 3), [conv(8, (3, 3)), pool("average", (9, 8)), op("reshape"), dense(3)], "mse"
)


def behind_a_seam(target: Target, size: int = 6, channels: int = 4) -> TrainingCase:
    """An int8 network whose tail learns in halves: from maps of ``size`` x ``size`` pixels with ``channels``."""
    layers = [conv(channels, (3, 3), activation="relu"), op("reshape"), dense(5), op("softmax")]
    integers = quantized(build(Network("seam", (1, size, size, 3), layers)))
    graph = make_training_graph(integers.graph, parse_spec("head,dtype=f16"), rate=0.05)
    samples = [(sample[0], np.array([i], np.int32)) for i, sample in enumerate(integers.samples[:3])]
    return TrainingCase("seam", make_plan(graph, target, fuse=False), samples)


def reducing(node: Node, target: Target) -> Kernel:
    """Global pools by kernels that sum up piece by piece, as segments do."""
    return select_tiled(node, target, only_reduce=True) or select(node, target)


def choice(network: Network) -> Callable[[Node, Target], Kernel]:
    """How the kernels of a network are chosen."""
    return reducing if network is GLOBAL else select


def case_of(network: Network, graph: Graph, target: Target, steps: int = 3) -> TrainingCase:
    """A few steps, every one on another sample."""
    rng = np.random.default_rng(1)
    x, label = network.arrays["x"], network.arrays["label"]
    noise = rng.normal(0, 0.5, (steps, *x.shape)).astype(np.float32)
    samples = [((x + n).astype(np.float32), label) for n in noise]
    return TrainingCase(network.name, make_plan(graph, target, fuse=False, select=choice(network)), samples)


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
    graphs = {n.name + request: (n, trainer(n, request)) for request in REQUESTS for n in (*NETWORKS, GLOBAL)}
    called = {name: {choice(n)(node, target).name for node in g.nodes()} for name, (n, g) in graphs.items()}
    return [*(case_of(*graphs[name], target) for name in covering(called)), behind_a_seam(target)]


@pytest.mark.qemu
@pytest.mark.parametrize("board", CORES)
def test_cores_give_the_hosts_bits_from_every_kernel(board: str, tmp_path: Path) -> None:
    target = load_target(board)
    cases = covering_cases(target)
    of_training = {o.name for o in operators() if not o.builtin}
    claimed = {k.name for k in available(target) if k.of_training or of_training.intersection(k.ops)}
    assert claimed <= {step.kernel.name for case in cases for step in case.plan.steps}
    assert train_on_core(tmp_path / "core", cases, target) == train_here(tmp_path / "host", cases)


@pytest.mark.skipif(CLANG is None, reason="SKIPPED: Clang is not installed")
def test_clang_has_no_warnings(tmp_path: Path) -> None:
    assert CLANG is not None
    units = [write_library(tmp_path, case.plan, f"n{i}") for i, case in enumerate(covering_cases(HOST))]
    messages = compile_units([CLANG, *CFLAGS, *MORE, "-fsyntax-only"], units)
    assert not messages, "\n".join(messages.values())
