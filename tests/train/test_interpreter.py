"""The interpreter of TensorFlow's oracle: every float operator that it knows = LiteRT, and the losses by hand.

Needs TensorFlow: this Python's, or that of the Python that MCU_GEN_TENSORFLOW names.
"""

from __future__ import annotations

import importlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.frontends import load_tflite
from mcu_gen.frontends.tensorflow_python import find_tensorflow
from mcu_gen.graph import DType, Graph, operators
from mcu_gen.run import training_child
from mcu_gen.run.training_oracle import Recipe, TrainingJob, described, loss_of, run_training_many, wanted_inputs
from mcu_gen.train import make_training_graph, parse_spec
from support.three_way import Prepared, prepare
from support.training import distance
from train.networks import Network, build, dense
from train.oracle import committed

pytestmark = pytest.mark.skipif(
    find_tensorflow() is None, reason="no TensorFlow here, and MCU_GEN_TENSORFLOW names no Python that has it"
)

TABLES = Path(__file__).parents[1] / "ops"

#: Operators with variables of their own, or with integers alone: no training step holds them.
OUTSIDE = {"arg_max", "arg_min", "quantize", "svdf", "unidirectional_sequence_lstm"}

#: Cases in which LiteRT itself is further from the function: exp(x) for the logistic function below -9, and float32
#: cancellation in 1 + tanh(x).
LITERT_IS_OFF = {"logistic: float32 near -9": 2e-4, "gelu: float32 near -3.5, approximate": 2e-4}

#: What TensorFlow does with jobs of forward passes; runs in its Python.
PROGRAM = """
import importlib, importlib.util, json, sys
import numpy as np
child, folder = sys.argv[1:]
spec = importlib.util.spec_from_file_location("training_child", child)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.tf = importlib.import_module("tensorflow")
arrays = np.load(folder + "/in.npz")
found = {}
for number, job in enumerate(json.load(open(folder + "/jobs.json"))):
    values = {n: module._value(arrays[f"{number}/{i}"]) for i, n in enumerate(job["given"])}
    try:
        values = module.forward(job, values)
    except module.tf.errors.UnimplementedError as error:  # TensorFlow's own limit, as broadcasting rank 6
        found[f"{number}/refused"] = str(error)
        continue
    found |= {f"{number}/{i}": np.asarray(values[n]) for i, n in enumerate(job["outputs"])}
np.savez(folder + "/out.npz", **found)
"""


def float_cases() -> list[Prepared]:
    """The cases of tests/ops that compute in float32 alone, or dequantize."""
    cases = []
    for path in sorted(TABLES.glob("cases_*.py")):
        name = path.stem.removeprefix("cases_")
        table = () if name in OUTSIDE else importlib.import_module(f"ops.{path.stem}").CASES
        known = [c for c in table if c.oracle or name == "elu"]  # BUILTIN_REF has no ELU; its rule is in ops/elu.py
        cases += [replace(c, name=f"{name}: {c.name}") for c in known if _real(load_tflite(c.build()))]
    ready, failures = prepare(cases)
    assert not failures
    return ready


def _real(graph: Graph) -> bool:
    ops = {op.type for op in graph.ops}
    ends = graph.outputs if ops == {"dequantize"} else [*graph.inputs, *graph.outputs]
    return not ops & OUTSIDE and all(graph.tensors[n].dtype is DType.FLOAT32 for n in ends)


def test_every_operator_is_litert_s(tmp_path: Path) -> None:
    """Forward passes in float64 against BUILTIN_REF in float32, over all float cases of tests/ops."""
    cases = float_cases()
    arrays: dict[str, np.ndarray] = {}
    jobs = []
    for number, p in enumerate(cases):
        constants = {t.name: t.data for t in p.graph.tensors.values() if t.data is not None}
        given = {**dict(zip(p.graph.inputs, p.samples[-1], strict=True)), **constants}
        arrays |= {f"{number}/{i}": a for i, a in enumerate(given.values())}
        ops = [described(p.graph, op) for op in p.graph.ops]
        jobs.append({"ops": ops, "given": list(given), "outputs": p.graph.outputs})
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    command = [str(find_tensorflow()), "-c", PROGRAM, training_child.__file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    wrong = []
    with np.load(tmp_path / "out.npz") as found:
        refused = [p.case.name for number, p in enumerate(cases) if f"{number}/refused" in found.files]
        assert len(refused) <= 6, refused
        for number, p in enumerate(cases):
            if p.case.name in refused:
                continue
            far = max(
                distance(found[f"{number}/{i}"], want.astype(np.float64)) if np.isfinite(want).all() else 0.0
                for i, want in enumerate(p.expected[-1])
            )
            if far > LITERT_IS_OFF.get(p.case.name, 1e-5):
                wrong.append(f"{p.case.name}: {far:.1e}")
    assert not wrong, "\n".join(wrong)
    seen = {op.type for p in cases for op in p.graph.ops}
    of_files = {o.name for o in operators() if o.builtin}
    assert set(training_child.OPERATORS) & of_files <= seen, "operators without a float case"


#: Losses of a prediction y and a target t: value and gradient, elementwise before the mean.
BY_HAND = {
    "mse": (lambda d: d**2, lambda d: 2 * d),
    "mae": (np.abs, np.sign),
    "huber": (lambda d: np.where(abs(d) <= 1, d**2 / 2, abs(d) - 0.5), lambda d: np.clip(d, -1, 1)),
}

RECIPES = [
    Recipe("mse", 0.05),
    Recipe("mae", 0.05, batch=3),
    Recipe("huber", 0.1, "momentum", momentum=0.8),
    Recipe("mse", 0.05, "momentum", weight_decay=0.02, batch=2),
    Recipe("mse", 0.05, clip=0.7, weight_decay=0.1),
    Recipe("huber", 0.01, "adam", batch=2, clip=0.3),
    Recipe("mse", 0.01, "adam", beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.1),
]


def by_hand(recipe: Recipe, w: np.ndarray, x: np.ndarray, t: np.ndarray) -> tuple[list[float], np.ndarray]:
    """The losses and the weights of y = W x after all steps, with the definitions of Keras written out."""
    value, slope = BY_HAND[recipe.loss]
    rate, m, v = float(np.float32(recipe.rate)), np.zeros_like(w), np.zeros_like(w)
    losses, total, updates = [], np.zeros_like(w), 0
    for step in range(len(x)):
        d = x[step] @ w.T - t[step]
        losses.append(float(value(d).mean()))
        total += slope(d).T @ x[step] / d.size
        if (step + 1) % recipe.batch:
            continue
        g, total, updates = total / recipe.batch, np.zeros_like(w), updates + 1
        norm = np.linalg.norm(g)
        g = g * min(1.0, recipe.clip / norm) if recipe.clip else g
        w = w - rate * recipe.weight_decay * w
        if recipe.optimizer == "adam":
            m = recipe.beta_1 * m + (1 - recipe.beta_1) * g
            v = recipe.beta_2 * v + (1 - recipe.beta_2) * g**2
            correct = np.sqrt(1 - recipe.beta_2**updates) / (1 - recipe.beta_1**updates)
            w = w - rate * correct * m / (np.sqrt(v) + recipe.epsilon)
        else:
            m = (recipe.momentum if recipe.optimizer == "momentum" else 0.0) * m - rate * g
            w = w + m
    return losses, w


def test_recipes_are_those_of_keras() -> None:
    """Losses, optimizers, decay, clipping and batches of TensorFlow = their formulas, on y = W x."""
    network = Network("linear", (2, 4), [dense(3, bias=False)], "mse")
    graph = make_training_graph(build(network), parse_spec("all,loss=mse"))
    rng = np.random.default_rng(3)
    x, t = rng.normal(size=(12, 2, 4)).astype(np.float32), rng.normal(size=(12, 2, 3)).astype(np.float32)
    results = run_training_many([TrainingJob(graph, r, {"x": x}, t, range(12), [12], [r.batch]) for r in RECIPES])
    first, x, t = network.arrays["w0"].astype(np.float64), x.astype(np.float64), t.astype(np.float64)
    for recipe, found in zip(RECIPES, results, strict=True):
        losses, w = by_hand(recipe, first, x, t)
        assert found.loss == pytest.approx(losses, rel=1e-6), recipe
        assert distance(found.weights[12]["w0"], w) < 1e-6, recipe


def test_gradients_are_those_of_the_other_interpreter() -> None:
    """The committed gradients come from tape.py, which knows networks as lists of layers and no graphs."""
    networks, reference = committed()
    jobs, keys = [], []
    for network in networks:
        graph = make_training_graph(build(network), parse_spec(f"all,loss={network.loss}"))
        (name,) = wanted_inputs(graph)
        x, label = network.arrays["x"][None], network.arrays["label"][None]
        jobs.append(TrainingJob(graph, Recipe(loss_of(graph), 0.0), {name: x}, label, [0], gradients=[1]))
    for network, found in zip(networks, run_training_many(jobs), strict=True):
        # TensorFlow resizes in float32
        assert found.loss[0] == pytest.approx(float(reference[f"{network.name}/loss"]), rel=1e-6), network.name
        for key, gradient in found.gradients[1].items():
            want = reference.get(f"{network.name}/grad/{key}")
            if want is not None and want.shape == gradient.shape:
                keys.append(key)
                assert distance(gradient, want) < 1e-6, f"{network.name}: {key}"
    assert len(keys) > len(networks)
