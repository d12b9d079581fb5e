"""Sizes, data files, channels: what people type and what they see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcu_gen
from mcu_gen.api.comparison import FLOAT_TOLERANCE, Comparison, compare, differing
from mcu_gen.api.samples import TensorSpec, as_batch, dequantize, random_batch, to_dtype
from mcu_gen.cli.sizes import human_size, parse_size
from mcu_gen.errors import UsageError
from mcu_gen.graph import DType
from mcu_gen.report.names import short_name

from .conftest import BOARD, DATA, MODEL, ROOT, Cli

SIZES = {
    "49728": 49_728,
    "64K": 65_536,
    "64k": 65_536,
    "64KB": 65_536,
    "320KiB": 327_680,
    "1M": 1_048_576,
    "1.5K": 1_536,
    "2 MiB": 2_097_152,
    "49,728": 49_728,
    "1G": 1_073_741_824,
}


@pytest.mark.parametrize(("text", "count"), SIZES.items())
def test_sizes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "K", "64X", "1.0001K", "1e3", "64K64", "0x10", "NaN"])
def test_sizes_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@given(st.integers(1, 2**40))
def test_sizes_round_trip(count: int) -> None:
    assert parse_size(str(count)) == count
    if "." not in human_size(count):
        assert parse_size(human_size(count)) == count


IMAGE = TensorSpec("image", (1, 8, 8, 1), DType.INT8, 1 / 255, -128)
VECTOR = TensorSpec("vector", (1, 4), DType.FLOAT32)


@pytest.mark.parametrize(
    ("shape", "samples"),
    [
        ((1, 8, 8, 1), 1),
        ((8, 8, 1), 1),
        ((8, 8), 1),
        ((5, 8, 8, 1), 5),
        ((5, 1, 8, 8, 1), 5),
        ((5, 8, 8), 5),
        ((5, 64), 5),
    ],
)
def test_shapes_of_samples(shape: tuple[int, ...], samples: int) -> None:
    batch = as_batch(np.zeros(shape, np.int8), [IMAGE])
    assert batch["image"].shape == (samples, 1, 8, 8, 1)


@pytest.mark.parametrize("shape", [(8, 9), (63,), (0, 8, 8, 1), (5, 4, 16), (5, 8, 9, 1), ()])
def test_shapes_that_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        as_batch(np.zeros(shape, np.int8), [IMAGE])


def test_real_numbers_are_quantized_as_litert_does() -> None:
    """Round half away from zero, then saturate."""
    spec = TensorSpec("x", (6,), DType.INT8, 0.5, -3)
    x = np.array([0.25, -0.25, 0.75, 1000, -1000, 0.0], np.float32)
    assert to_dtype(x, spec, "").tolist() == [-2, -4, -1, 127, -128, -3]


def test_images_become_int8() -> None:
    assert to_dtype(np.array([0, 128, 255], np.uint8), IMAGE, "").tolist() == [-128, 0, 127]


@pytest.mark.parametrize(
    ("array", "spec"),
    [
        (np.array([300]), IMAGE),
        (np.array([np.nan]), IMAGE),
        (np.array(["a"]), IMAGE),
        (np.array([0.5]), TensorSpec("i", (1,), DType.INT32)),
    ],
)
def test_values_that_are_refused(array: np.ndarray, spec: TensorSpec) -> None:
    with pytest.raises(UsageError):
        to_dtype(array, spec, "x")


def test_several_inputs_go_by_name() -> None:
    specs = [VECTOR, IMAGE]
    good = {"vector": np.zeros((3, 4)), "image": np.zeros((3, 8, 8, 1), np.int8)}
    assert {k: len(v) for k, v in as_batch(good, specs).items()} == {"vector": 3, "image": 3}
    for bad in (np.zeros((3, 4)), {"vector": good["vector"]}, {**good, "vector": np.zeros((2, 4))}):
        with pytest.raises(UsageError):
            as_batch(bad, specs)


@pytest.mark.parametrize("dtype", list(DType))
def test_random_samples_repeat(dtype: DType) -> None:
    spec = [TensorSpec("x", (7,), dtype, 0.1 if dtype is DType.INT8 else None, 0)]
    a, b, c = (random_batch(spec, 5, seed)["x"] for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert a.dtype == dtype.numpy
    assert not np.array_equal(a, c)


def test_dequantize() -> None:
    spec = TensorSpec("y", (2,), DType.INT8, 0.5, 10)
    assert dequantize(np.array([10, 12], np.int8), spec).tolist() == [0.0, 1.0]


def test_float_comparison_counts_what_is_off() -> None:
    want = np.linspace(-1, 1, 100, dtype=np.float32)
    assert not differing(want * np.float32(1 + FLOAT_TOLERANCE / 2), want).any()
    wrong = want.copy()
    wrong[3] += 0.1
    assert np.flatnonzero(differing(wrong, want)).tolist() == [3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_float_comparison_of_wild_values(bad: float) -> None:
    want = np.array([1.0, 2.0], np.float32)
    got = np.array([1.0, bad], np.float32)
    assert differing(got, want).tolist() == [False, True]
    assert not differing(got, got).any()


def test_integer_comparison_is_bit_by_bit() -> None:
    found = compare([[np.array([1, 2, 4], np.int8)]], [[np.array([1, 3, 3], np.int8)]], ["y"])
    assert (found.mismatches, found.elements, found.max_abs_diff) == (2, 3, 1)
    assert found.first == {"sample": 0, "output": "y", "index": 1, "got": 2, "expected": 3}


def test_results_of_another_shape_never_agree() -> None:
    found = Comparison()
    assert found.add(0, "y", np.zeros(3, np.int8), np.zeros(4, np.int8)) == 4
    assert found.add(0, "y", np.zeros(3, np.int8), np.zeros(3, np.int16)) == 3


def test_short_names_keep_layers_apart() -> None:
    assert short_name("a/b/Relu;c/d;e") == "a/b/Relu"
    long = [f"functional_1/block_{i}/batch_normalization_{i}/FusedBatchNormV3;x" for i in range(20)]
    assert len({short_name(n) for n in long}) == 20
    assert all(len(short_name(n)) <= 32 for n in long)


def test_version(cli: Cli) -> None:
    ran = cli("--version")
    assert ran.code == 0
    assert ran.out == f"mcu-gen {mcu_gen.__version__}\n"


@pytest.mark.parametrize("args", [["frob"], ["plan"], ["plan", "--board", BOARD], ["boards", "a", "b"], ["--nope"]])
def test_wrong_command_lines(args: list[str], cli: Cli) -> None:
    ran = cli(*args)
    assert ran.code == 2
    assert ran.err.startswith("error:")
    assert "Traceback" not in ran.err


def test_no_arguments_show_the_help(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 2
    assert "Usage:" in ran.out + ran.err


def test_quiet_and_plain(cli: Cli, tmp_path: Path) -> None:
    """-q leaves results and drops notes; nothing is coloured when the output is no terminal."""
    loud = cli("generate", MODEL, "--board", BOARD, "-o", tmp_path / "a")
    quiet = cli("generate", MODEL, "--board", BOARD, "-o", tmp_path / "b", "-q")
    assert "next:" in loud.err
    assert quiet.err == ""
    assert "arena" in quiet.out
    assert "\x1b" not in loud.out + loud.err + quiet.out


def test_someone_elses_folder_is_not_replaced(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ran = cli("generate", MODEL, "--board", BOARD, "-o", tmp_path)
    assert ran.code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("suffix", "code"), [("npy", 0), ("npz", 0), ("txt", 2)])
def test_output_files(suffix: str, code: int, cli: Cli, project: Path, tmp_path: Path, samples: Path) -> None:
    path = tmp_path / f"y.{suffix}"
    ran = cli("run", project, "--input", samples, "-o", path, "--json")
    assert ran.code == code, ran.out
    assert path.exists() == (code == 0)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY\x01\x00", b"PK\x03\x04broken"])
def test_damaged_data_files(content: bytes, cli: Cli, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    ran = cli("run", project, "--input", path, "--json")
    assert ran.code == 2, ran.out


def test_pickles_are_never_loaded(cli: Cli, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    assert cli("run", project, "--input", path).code == 2


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"schema": 99}', "not json"])
def test_damaged_projects(record: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mcu-gen.json").write_text(record)
    for verb in ("build", "report", "profile"):
        assert cli(verb, tmp_path, "--json").code == 2


def test_python_api_is_what_the_command_line_calls(tmp_path: Path) -> None:
    plan = mcu_gen.plan(MODEL, BOARD)
    assert mcu_gen.generate(MODEL, BOARD, tmp_path / "p").dir == tmp_path / "p"
    with np.load(DATA) as data:
        x, y = data["x"][:20], data["y"][:20]
    found = mcu_gen.run(tmp_path / "p", x, on="host")
    assert found.samples == 20
    (outputs,) = found.outputs.values()
    assert (outputs.reshape(20, 10).argmax(axis=1) == y).mean() > 0.9
    assert mcu_gen.analyze(MODEL, BOARD)["arena_bytes"] == plan.arena_bytes


def test_docs_of_operators_are_fresh(cli: Cli) -> None:
    """docs/ops.md is what `mcu-gen ops --format md` prints; `make docs` renews it."""
    assert (ROOT / "docs" / "ops.md").read_text() == cli("ops", "--format", "md").out


def test_report_is_one_file_without_outside_references(cli: Cli, project: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert cli("report", project, "-o", page, "--model", MODEL).code == 0
    text = page.read_text()
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    plan = mcu_gen.plan(MODEL, BOARD)
    assert f"{plan.arena_bytes:,} B" in text
    assert text.count('class="buffer') == len(plan.buffers)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
