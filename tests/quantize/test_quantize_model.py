"""From file to file: reports, the gate, interfaces, errors; real models where the shared folder is there."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mcu_gen.errors import MismatchError, ModelFileError, UnsupportedModelError, UsageError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import DType, Executor, Graph
from mcu_gen.quantize import quantize_model
from mcu_gen.quantize.hybrid import load_float
from mcu_gen.quantize.report import PERFECT_DB, decibels, quantized_input, real
from mcu_gen.run.oracle import run_litert
from quantize.models import FloatNetwork, classifier


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "classifier.tflite"
    path.write_bytes(classifier())
    return path


@pytest.fixture
def calib(tmp_path: Path) -> Path:
    path = tmp_path / "calib.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32))
    return path


def test_report_and_file(model: Path, calib: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "int8.tflite"
    report = quantize_model(model, calib, out, min_top1_agreement=0.5)
    assert out.stat().st_size == report.int8_bytes
    assert report.float_bytes == model.stat().st_size
    assert report.samples == 16
    data = json.loads(json.dumps(report.to_dict()))
    assert {"sqnr_db", "top1_agreement", "layers"} <= data.keys()
    assert {"name", "op", "sqnr_db"} <= data["layers"][0].keys()
    assert [p.name for p in out.parent.iterdir()] == ["int8.tflite"]


def test_the_report_is_what_litert_computes(model: Path, calib: Path, tmp_path: Path) -> None:
    """SQNR and agreement again, from LiteRT's outputs of both files."""
    out = tmp_path / "int8.tflite"
    report = quantize_model(model, calib, out)
    graph = load_tflite(out)
    x = np.load(calib)["x"][:, None]
    want = np.stack([o[0] for o in run_litert(model, list(x)).outputs]).astype(np.float64)
    codes = [quantized_input(s, graph.tensors["image"]) for s in x]
    got = np.stack([real(o[0], graph.tensors["classes"]) for o in run_litert(out, codes).outputs])
    assert report.sqnr_db == pytest.approx(decibels((want**2).sum(), ((want - got) ** 2).sum()), abs=0.01)
    assert report.top1_agreement == (want.argmax(-1) == got.argmax(-1)).mean()


def test_float_interface(model: Path, calib: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.tflite"
    quantize_model(model, calib, out, io="float")
    graph = load_tflite(out)
    assert graph.ops[0].type == "quantize"
    assert graph.ops[-1].type == "dequantize"
    assert (graph.inputs, graph.outputs) == (["image"], ["classes"])
    assert graph.tensors["image"].dtype is DType.FLOAT32


def test_gate(model: Path, calib: Path, tmp_path: Path) -> None:
    """Unlike data: int8 saturates and disagrees; the gate says so with exit 5 and writes nothing."""
    rng = np.random.default_rng(1)
    far = {"x": (rng.normal(size=(32, 8, 8, 3)) * 100).astype(np.float32)}
    out = tmp_path / "int8.tflite"
    with pytest.raises(MismatchError, match="worst layers") as caught:
        quantize_model(model, calib, out, eval_data=far, min_top1_agreement=0.99)
    assert caught.value.exit_code == 5
    assert caught.value.hints
    assert not out.exists()
    assert quantize_model(model, calib, out, eval_data=far).samples == 32


def test_no_gate_without_classes(tmp_path: Path) -> None:
    n = FloatNetwork()
    n.input("x", 1, 4)
    n.dense("x", "y", 1)
    path = tmp_path / "m.tflite"
    path.write_bytes(n.build(["x"], ["y"]))
    data = {"x": np.random.default_rng(0).normal(size=(8, 4))}
    assert quantize_model(path, data, tmp_path / "out.tflite").top1_agreement is None
    with pytest.raises(UsageError, match="one output value"):
        quantize_model(path, data, tmp_path / "no.tflite", min_top1_agreement=0.9)
    assert not (tmp_path / "no.tflite").exists()


def test_npy_for_one_input(model: Path, calib: Path, tmp_path: Path) -> None:
    path = tmp_path / "calib.npy"
    np.save(path, np.load(calib)["x"])
    a = quantize_model(model, path, tmp_path / "a.tflite")
    b = quantize_model(model, calib, tmp_path / "b.tflite")
    assert a == b
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


def test_unreadable_files(model: Path, calib: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"PK\x03\x04 not a zip")
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    empty = tmp_path / "empty.npz"
    empty.write_bytes(b"")
    for source in (bad, pickled, empty, tmp_path / "absent.npz", tmp_path):
        with pytest.raises(UsageError):
            quantize_model(model, source, tmp_path / "out.tflite")
    with pytest.raises(ModelFileError):
        quantize_model(empty, calib, tmp_path / "out.tflite")
    with pytest.raises(UsageError, match="written"):
        quantize_model(model, calib, model / "below" / "out.tflite")
    for gate in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="gate"):
            quantize_model(model, calib, tmp_path / "out.tflite", min_top1_agreement=gate)
    assert not (tmp_path / "out.tflite").exists()


def test_quantized_models_are_refused(model: Path, calib: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.tflite"
    quantize_model(model, calib, out)
    with pytest.raises(UnsupportedModelError, match="already"):
        quantize_model(out, calib, tmp_path / "again.tflite")


def test_hybrid_weights_become_floats() -> None:
    """int8 weights under float activations: the importer refuses them, the quantizer takes their real numbers."""
    rng = np.random.default_rng(0)
    n = FloatNetwork()
    n.input("x", 1, 6)
    scale = np.array([0.01, 0.1, 0.5])
    w = rng.integers(-127, 128, (3, 6))
    n.b.tensor("w", (3, 6), "int8", scale=scale, axis=0, data=w)
    n.constant("b", np.array([1.0, 2.0, 3.0]))
    n.op("FULLY_CONNECTED", ["x", "w", "b"], "y", (1, 3))
    data = n.build(["x"], ["y"])
    with pytest.raises(UnsupportedModelError, match="hybrid"):
        load_tflite(data, "m")
    graph = load_float(data, "m")
    x = rng.normal(size=(1, 6)).astype(np.float32)
    np.testing.assert_allclose(Executor(graph).run({"x": x})["y"], x @ (w * scale[:, None]).T + [1, 2, 3], rtol=1e-5)


def test_damaged_models_are_the_importers_errors(model: Path, calib: Path, tmp_path: Path) -> None:
    """Flipped bytes and cut files: a model, or an error of exit 2 or 3; never another exception, never a file."""
    data = model.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(60):
        broken = bytearray(data[: rng.integers(len(data))] if number % 3 == 0 else data)
        for at in rng.integers(0, max(1, min(len(broken), 2500)), 3) if broken else ():
            broken[at] = rng.integers(256)
        try:
            load_float(bytes(broken), "m")
        except (ModelFileError, UnsupportedModelError):
            continue


def test_decibels_are_finite() -> None:
    assert decibels(1.0, 0.0) == PERFECT_DB
    assert decibels(0.0, 1.0) == -PERFECT_DB
    assert decibels(100.0, 1.0) == pytest.approx(20.0)


def pictures(shared: Path, every: int) -> np.ndarray:
    """CIFAR-10 test pictures as float32 [samples, 32, 32, 3] from 0 to 255."""
    image = pytest.importorskip("PIL.Image")
    with zipfile.ZipFile(shared / "data" / "cifar10_jpeg" / "test_200.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[::every]
        return np.stack([np.asarray(image.open(io.BytesIO(archive.read(n)))) for n in names]).astype(np.float32)


def agreement(original: Graph, tested: Graph, x: np.ndarray) -> tuple[float, float]:
    """SQNR in dB and top-1 agreement of an int8 model with a float one."""
    signal = noise = equal = 0.0
    for sample in x:
        want = Executor(original).run({original.inputs[0]: sample[None]})[original.outputs[0]].astype(np.float64)
        code = quantized_input(sample[None], tested.tensors[tested.inputs[0]])
        got = Executor(tested).run({tested.inputs[0]: code})[tested.outputs[0]]
        value = real(got, tested.tensors[tested.outputs[0]])
        signal, noise = signal + (want**2).sum(), noise + ((want - value) ** 2).sum()
        equal += want.argmax() == value.argmax()
    return decibels(signal, noise), equal / len(x)


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_digits_are_as_good_as_the_converters(tmp_path: Path, method: str) -> None:
    """The example's float model, calibrated on 150 digits and tested on 150 others, against TensorFlow's int8 model."""
    folder = Path(__file__).parents[2] / "examples" / "digits"
    x = np.load(folder / "digits_test.npz")["x"]
    out = tmp_path / "digits.tflite"
    quantize_model(folder / "digits_float.tflite", {"x": x[::3]}, out, method=method, min_top1_agreement=0.97)
    original = load_tflite(folder / "digits_float.tflite")
    ours = agreement(original, load_tflite(out), x[1::3])
    theirs = agreement(original, load_tflite(folder / "digits_int8.tflite"), x[1::3])
    assert ours[0] > 40  # of probabilities near 0 and 1; a few undecided digits make up nearly all of the noise
    assert ours[1] >= theirs[1] - 0.02


@pytest.mark.shared
def test_resnet8_is_as_good_as_the_converters(shared: Path, tmp_path: Path) -> None:
    """Calibrated with 20 pictures, tested on 40 others, against the int8 model that TensorFlow's converter made."""
    x = pictures(shared, 3)
    out = tmp_path / "resnet8.tflite"
    quantize_model(shared / "models" / "resnet8_float.tflite", {"x": x[::3][:20]}, out)
    original = load_tflite(shared / "models" / "resnet8_float.tflite")
    rest = np.delete(x, slice(None, None, 3), axis=0)[:40]
    ours = agreement(original, load_tflite(out), rest)
    theirs = agreement(original, load_tflite(shared / "models" / "resnet8_int8.tflite"), rest)
    assert ours[0] >= theirs[0] - 1.0
    assert ours[1] >= theirs[1] - 0.05


@pytest.mark.shared
@pytest.mark.parametrize("io_", ["int8", "float"])
@pytest.mark.parametrize(
    ("name", "shape", "scale", "least"),
    [("hello_world_float", (1,), 3.0, 25.0), ("dscnn_kws_float", (49, 10, 1), 10.0, 20.0)],
)
def test_shared_float_models(
    shared: Path, tmp_path: Path, name: str, shape: tuple[int, ...], scale: float, least: float, io_: str
) -> None:
    """Bit-exact with LiteRT, and close to the float model (DS-CNN comes as a dynamic-range model)."""
    x = (np.abs(np.random.default_rng(0).normal(size=(24, *shape))) * scale).astype(np.float32)
    out = tmp_path / "out.tflite"
    report = quantize_model(shared / "models" / f"{name}.tflite", {"x": x}, out, io=io_)
    assert report.sqnr_db > least
    graph = load_tflite(out)
    t = graph.tensors[graph.inputs[0]]
    inputs = [quantized_input(s.reshape(t.shape), t) for s in x[:8]]
    for sample, outputs in zip(inputs, run_litert(out, inputs).outputs, strict=True):
        np.testing.assert_array_equal(Executor(graph).run({t.name: sample})[graph.outputs[0]], outputs[0])
