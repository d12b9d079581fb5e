"""Real int8 models whose tail is trained: LiteRT's bits in front of the seam, its answers behind it, and training runs
on the host and on an emulated Cortex-M4."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mcu_gen import api
from mcu_gen.graph import Executor, Graph
from mcu_gen.run.oracle import run_litert
from mcu_gen.train import make_training_graph, parse_spec
from mcu_gen.train.seam import float_suffix, suffix
from support.integer_networks import alone_off, load
from support.three_way import random_samples
from support.training import distance, train_c, train_executor

DIGITS = Path(__file__).parents[2] / "examples" / "digits"

#: ``mcunet`` has axes to average over that no gradient passes through yet: its head alone.
SHARED = [(m, s) for m in ("resnet8", "dscnn_kws", "mobilenet_vww") for s in ("head", "last:2", "bias")]
SHARED += [("mcunet_vww1", "head")]


def answers(graph: Graph, samples: list[np.ndarray]) -> np.ndarray:
    """The output of a training graph's inference per sample."""
    executor = Executor(graph)
    return np.stack([executor.run({graph.inference_inputs[0]: x})[graph.inference_outputs[0]][0] for x in samples])


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    with np.load(DIGITS / "digits_test.npz") as data:
        return np.round(data["x"] * 255 - 128).astype(np.int8), data["y"]


@pytest.fixture(scope="module")
def of_litert(digits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.stack([y[0][0] for y in run_litert(DIGITS / "digits_int8.tflite", list(digits[0][:, None])).outputs])


@pytest.mark.parametrize("spec", ["head", "last:2", "bias", "all"])
def test_the_answers_on_digits_stay(spec: str, digits: tuple[np.ndarray, np.ndarray], of_litert: np.ndarray) -> None:
    """Before any training the mixed network classifies the test split as the int8 one does."""
    x, y = digits
    graph = make_training_graph(api.load(DIGITS / "digits_int8.tflite"), parse_spec(spec))
    got, want = answers(graph, list(x[:, None])).argmax(axis=1), of_litert.argmax(axis=1)
    assert (got == want).mean() >= 0.99
    assert abs((got == y).mean() - (want == y).mean()) <= 0.005


@pytest.mark.shared
@pytest.mark.parametrize(("spec", "agreement"), [("head", 0.98), ("bias", 0.93)])
def test_the_answers_of_resnet8_stay(spec: str, agreement: float, shared: Path) -> None:
    """The float32 network itself agrees with the int8 one on 96.5 % of these images, which are JPEG."""
    with zipfile.ZipFile(shared / "data" / "cifar10_jpeg" / "test_200.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[::2]
        images = [np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names]
    classes = np.array([sorted({n.split("/")[0] for n in names}).index(n.split("/")[0]) for n in names])
    assert len(images) == 100
    samples = [(i.astype(np.int16) - 128).astype(np.int8)[None] for i in images]
    model = shared / "models" / "resnet8_int8.tflite"
    want = np.stack([y[0][0] for y in run_litert(model, samples).outputs]).argmax(axis=1)
    graph = make_training_graph(api.load(model), parse_spec(spec))
    got = answers(graph, samples).argmax(axis=1)
    assert (got == want).mean() >= agreement
    assert (got == classes).mean() >= (want == classes).mean() - 0.02


@pytest.mark.shared
@pytest.mark.parametrize(("model", "spec"), SHARED)
def test_shared_models(model: str, spec: str, shared: Path, tmp_path: Path) -> None:
    """Every int8 tensor that the training graph has is LiteRT's, every operator behind the seam computes the numbers
    behind LiteRT's codes, and the generated C trains as the executor does."""
    made = load((shared / "models" / f"{model}_int8.tflite").read_bytes(), [])
    made.samples = random_samples(made.graph, model, 1)
    (theirs,) = made.reference()
    graph = make_training_graph(made.graph, parse_spec(spec), rate=1e-4)
    assert graph.training is not None
    changed, _ = float_suffix(made.graph, graph.training.trained)
    ours = Executor(changed).run(dict(zip(made.graph.inputs, made.samples[0], strict=True)), keep=True)
    integers = [t for n, t in graph.tensors.items() if n in theirs and t.quant is not None and not t.is_constant]
    # dead channels are not computed, so some tensors are narrower than LiteRT's
    whole = [t for t in integers if theirs[t.name].shape == t.shape]
    assert whole or spec == "bias"
    assert all(np.array_equal(ours[t.name], theirs[t.name]) for t in whole)
    inside = suffix(made.graph, graph.training.trained)
    assert alone_off(made.graph, changed, inside, theirs, ours) < 1.001
    label = graph.tensors[graph.training.label]
    step = [(made.samples[0][0], np.ones(label.shape, label.dtype.numpy))] * 2
    want, got = train_executor(graph, step), train_c(graph, step, tmp_path)
    assert not got.skipped.any()
    assert distance(got.losses, want.losses) < 1e-5
    assert distance(got.predictions, want.predictions) < 1e-5
    assert all(distance(got.weights[k], want.weights[k]) < 1e-5 for k in want.weights)


@pytest.mark.qemu
@pytest.mark.parametrize("spec", ["head,replay=8,replay_steps=2", "last:3"])
def test_a_project_trains_on_the_core_with_the_hosts_bits(
    spec: str, digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    api.generate(DIGITS / "digits_int8.tflite", "mps2_an386", tmp_path / "digits", train=spec)
    x, y = -digits[0].astype(np.int16) - 1, digits[1]
    data = x[:20].astype(np.int8), y[:20]
    host, core = (api.train(tmp_path / "digits", *data, steps=20, rate=0.01, on=on) for on in ("host", "qemu"))
    assert host.skipped == core.skipped == 0
    assert core.loss == host.loss
    assert all(core.weights[k].tobytes() == host.weights[k].tobytes() for k in host.weights)
    assert np.mean(host.loss[-5:]) < np.mean(host.loss[:5])
