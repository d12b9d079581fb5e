"""Every exit code that a verb can give, each provoked by what really causes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.api import validation
from mcu_gen.run import oracle

from .conftest import BOARD, DIGITS, MODEL, Cli

FLOAT = DIGITS / "digits_float.tflite"

#: Models, verbs that read one, and the exit code.
REFUSED = [("missing", 2), ("empty", 2), ("text", 2), ("truncated", 2), ("unsupported", 3)]
READERS = {
    "analyze": [],
    "plan": ["--board", BOARD],
    "generate": ["--board", BOARD, "-o", "{t}/p"],
    "validate": ["--board", BOARD],
    "quantize": ["--calib", "{s}", "-o", "{t}/q.tflite"],
}


@pytest.mark.parametrize("verb", sorted(READERS))
@pytest.mark.parametrize(("model", "code"), REFUSED)
def test_models_that_are_refused(
    verb: str, model: str, code: int, cli: Cli, models: dict[str, Path], tmp_path: Path, samples: Path
) -> None:
    args = [a.replace("{t}", str(tmp_path)).replace("{s}", str(samples)) for a in READERS[verb]]
    ran = cli(verb, models[model], *args, "--json")
    assert ran.code == code, ran.out
    assert "Traceback" not in ran.out + ran.err
    assert list(tmp_path.iterdir()) == [], "nothing is written for a model that is refused"


def test_all_reasons_at_once(cli: Cli, models: dict[str, Path]) -> None:
    ran = cli("plan", models["unsupported"], "--board", BOARD, "--json")
    reasons = " ".join(ran.document["error"]["reasons"])
    assert "SIN" in reasons
    assert "COS" in reasons


@pytest.mark.parametrize("verb", ["plan", "generate", "validate"])
def test_does_not_fit(verb: str, cli: Cli, tmp_path: Path) -> None:
    extra = ["-o", tmp_path / "p"] if verb == "generate" else []
    ran = cli(verb, MODEL, "--board", BOARD, "--max-ram", "1K", *extra, "--json")
    assert ran.code == 4
    error = ran.document["error"]
    assert error["code"] == "does_not_fit"
    assert any(re.search(r"--max-ram \d+", hint) for hint in error["hints"])
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("extra", [[], ["--no-fuse"]])
def test_the_hint_of_does_not_fit_is_right(extra: list[str], cli: Cli) -> None:
    """The number in the hint is enough, and one byte less is not."""
    args = ["plan", MODEL, "--board", BOARD, *extra, "--json", "--max-ram"]
    hints = cli(*args, "1K").document["error"]["hints"]
    needed = int(re.search(r"--max-ram (\d+)", " ".join(hints))[1])  # type: ignore[index]
    assert cli(*args, needed).code == 0
    assert cli(*args, needed - 1).code == 4


def test_analyze_says_that_it_does_not_fit(cli: Cli, tmp_path: Path) -> None:
    """Not fitting is an answer of `analyze` and no failure."""
    manifest = json.loads((DIGITS.parents[1] / "boards" / f"{BOARD}.json").read_text())
    for region in manifest["mcu_gen"]["regions"]:
        if region["use"] == "ram":
            region["size"] = 1536
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(manifest))
    ran = cli("analyze", MODEL, "--board", path, "--json")
    assert ran.code == 0
    assert ran.data["fits"] is False
    assert ran.data["reason"]


def _sabotage(folder: Path) -> int:
    """Changes one weight in the generated C, in the largest array of them; returns the index of its layer."""
    constants = next(folder.glob("lib/*/src/*_constants.c"))
    text = constants.read_text()
    arrays = list(re.finditer(r"int8_t (\w+)\[\d+\] = \{([^}]*)\}", text))
    largest = max(arrays, key=lambda m: len(m.group(2)))
    first = re.search(r"-?\d+", largest.group(2))
    assert first is not None
    at = largest.start(2) + first.start()
    value = "-128" if int(first.group()) > 0 else "127"
    constants.write_text(text[:at] + value + text[at + len(first.group()) :])
    network = constants.with_name(constants.name.replace("_constants", "")).read_text()
    before = network[: network.index(f"= {largest.group(1)}")]
    return int(re.findall(r"_params \w+_p(\d+) = ", before)[-1])


def test_mismatch_names_the_first_layer(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong weight in the generated C: exit 5, and the layer that holds it is named."""
    write = validation.write
    layers: list[int] = []

    def wrong(made: Any, out: Any, **options: Any) -> Any:
        project = write(made, out, **options)
        layers.append(_sabotage(Path(out)))
        return project

    monkeypatch.setattr(validation, "write", wrong)
    ran = cli("validate", MODEL, "--board", BOARD, "--on", "host", "--samples", "20", "--json")
    assert ran.code == 5, ran.out
    assert ran.document["error"]["code"] == "mismatch"
    first = ran.data["first_mismatch"]
    assert ran.data["mismatches"] > 0
    assert first["got"] != first["expected"]
    assert [first["layer"]["index"]] == layers


def test_quantization_gate(cli: Cli, tmp_path: Path, samples: Path) -> None:
    """A model whose calibration data are far from its inputs does not pass the gate, and no file is written."""
    calib = tmp_path / "c.npz"
    np.savez(calib, x=np.full((4, 8, 8, 1), 1e-4, np.float32))
    args = [FLOAT, "--calib", calib, "--eval", samples, "--min-agreement", "1.0", "-o", tmp_path / "q.tflite"]
    ran = cli("quantize", *args, "--json")
    assert ran.code == 5, ran.out
    assert not (tmp_path / "q.tflite").exists()


def test_quantized_models_are_not_quantized_again(cli: Cli, tmp_path: Path, samples: Path) -> None:
    assert cli("quantize", MODEL, "--calib", samples, "-o", tmp_path / "q.tflite", "--json").code == 3


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH on which nothing is."""
    monkeypatch.setenv("PATH", str(tmp_path))


TOOLS: dict[str, Sequence[object]] = {
    "build": ["{p}"],
    "run": ["{p}", "--on", "qemu", "--input", "{s}"],
    "profile": ["{p}", "--on", "qemu"],
    "validate": [MODEL, "--board", BOARD, "--on", "host", "--samples", "1"],
    "demo": ["-o", "{t}/demo"],
}


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("verb", sorted(TOOLS))
def test_tools_are_missing(verb: str, cli: Cli, project: Path, tmp_path: Path, samples: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".pio"))
    fill = {"{p}": str(copy), "{s}": str(samples), "{t}/demo": str(tmp_path / "demo")}
    ran = cli(verb, *[fill.get(str(a), a) for a in TOOLS[verb]], "--json")
    assert ran.code == 6, ran.out
    error = ran.document["error"]
    assert error["code"] == "tool_missing"
    assert any("install" in hint for hint in error["hints"])


def test_oracle_is_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "oracle_version", lambda runtime="litert": None)
    ran = cli("validate", MODEL, "--board", BOARD, "--on", "host", "--oracle", "tflm", "--samples", "1", "--json")
    assert ran.code == 6
    assert "mcu-gen[tflm]" in ran.document["error"]["hints"][0]


@pytest.mark.parametrize("verb", ["run", "profile"])
def test_no_such_port(verb: str, cli: Cli, project: Path, samples: Path) -> None:
    """A port that does not exist: exit 7 for `run`; `profile` must flash first, and refuses an emulated board."""
    ran = cli(verb, project, "--on", "/dev/no_such_port", "--input", samples, "--json")
    assert ran.code == (7 if verb == "run" else 2)


def test_device_that_does_not_answer(cli: Cli, project: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Firmware that never says HELLO: exit 7 with the phase, after its deadline and not before."""
    from mcu_gen.api import devices
    from mcu_gen.run.device import Device, Limits
    from mcu_gen.run.streams import ProcessStream

    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(
        devices, "open_host", lambda program: Device(ProcessStream(silent, name="host"), limits=Limits(start=1.0))
    )
    begun = time.monotonic()
    ran = cli("run", project, "--on", "host", "--input", samples, "--json")
    assert ran.code == 7, ran.out
    assert "HELLO" in ran.document["error"]["message"]
    assert time.monotonic() - begun < 30


def test_wrong_firmware_on_the_device(cli: Cli, project: Path, samples: Path, tmp_path: Path) -> None:
    """A project whose record names another model than the firmware: exit 2, and nothing is computed."""
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".pio"))
    record = json.loads((copy / "mcu-gen.json").read_text())
    record["model"]["sha256"] = "0" * 64
    (copy / "mcu-gen.json").write_text(json.dumps(record))
    ran = cli("run", copy, "--on", "host", "--input", samples, "--json")
    assert ran.code == 2
    assert "another model" in ran.document["error"]["message"]


def test_internal_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours: exit 1, a traceback only under -v, and the document is still there."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(api, "analyze", fails)
    plain = cli("analyze", MODEL)
    assert plain.code == 1
    assert "Traceback" not in plain.err
    assert "RuntimeError: a fault" in plain.err
    assert "Traceback" in cli("analyze", MODEL, "-v").err
    ran = cli("analyze", MODEL, "--json")
    assert ran.code == 1
    assert ran.document["error"]["code"] == "internal"


def test_interrupt(project: Path, tmp_path: Path) -> None:
    """Ctrl-C while a device runs: exit 130, one document, and no process is left behind."""
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((200_000, 8, 8, 1), np.int8))
    command = [sys.executable, "-m", "mcu_gen", "run", str(project), "--on", "host", "--input", str(x), "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    # Test runners may ignore the signal, and children inherit that.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    time.sleep(6)
    assert process.poll() is None, "the run ended before it could be interrupted"
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
