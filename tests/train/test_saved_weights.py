"""Weights that survive: saved to and loaded from the flash of host processes and emulated boards, through the wire."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mcu_gen import api
from mcu_gen.build import build_host, build_project
from mcu_gen.emit.network import Provenance, saved_identity, saved_tensors
from mcu_gen.errors import DeviceError, UsageError
from mcu_gen.resources import resource_dir
from mcu_gen.run.device import Device
from mcu_gen.run.local import open_host
from mcu_gen.run.qemu import open_qemu
from mcu_gen.targets import load_target
from mcu_gen.train import make_training_graph, parse_spec
from support.three_way import COMPILE_S, SANITIZE, compiler
from train.networks import Network, build, dense

NETWORK = Network("saved", (1, 6), [dense(5, activation="relu"), dense(3)])
CROSS_ENTROPY = "loss=softmax_cross_entropy"
TRAIN = f"all,{CROSS_ENTROPY}"
FIRMWARE = resource_dir("firmware")

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def data() -> Data:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 24)
    return (rng.normal(size=(3, 6))[y] + 0.3 * rng.normal(size=(24, 6))).astype(np.float32), y


def project(folder: Path, board: str = "mps2_an386", train: str = TRAIN, network: Network = NETWORK) -> Path:
    api.generate(build(network), board, folder, train=train)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("saved") / "project")


@pytest.fixture
def flash_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Flash of host processes that outlives them."""
    path = tmp_path / "flash"
    monkeypatch.setenv("MCU_GEN_HOST_FLASH", str(path))
    return path


def weights(device: Device) -> list[bytes]:
    return [w.tobytes() for w in device.read_weights(4)]


def step(device: Device, data: Data, i: int) -> None:
    device.set_learning_rate(0.1)
    device.train_step([data[0][i : i + 1]], data[1][i : i + 1].astype(np.int32))


def check_session(device: Device, data: Data) -> None:
    """Save, load, forget in one session, and what each leaves alone."""
    model = weights(device)
    assert not device.load_weights()
    step(device, data, 0)
    first = weights(device)
    assert first != model
    assert device.save_weights() == sum(map(len, model))
    step(device, data, 1)
    second = weights(device)
    device.reset_state()
    assert weights(device) == model
    assert device.load_weights()
    assert weights(device) == first
    for _ in range(3):  # both slots in turn
        step(device, data, 1)
        device.save_weights()
    third = weights(device)
    assert third not in (first, second)
    device.reset_state()
    assert device.load_weights()
    assert weights(device) == third
    device.forget_weights()
    assert weights(device) == third
    assert not device.load_weights()
    assert weights(device) == third
    assert device.stats().guard_ok


def test_a_session_on_the_host(made: Path, data: Data) -> None:
    with open_host(build_host(made, defines=["SAVED_GUARD=64"], sanitize=True)) as device:
        check_session(device, data)


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2_an386", "rv32_virt"])
def test_a_session_on_a_core(board: str, data: Data, tmp_path: Path) -> None:
    """The stack stays below the bound that the build computes, and the bound does not add training to the store."""
    built = build_project(project(tmp_path / "p", board), defines=["SAVED_GUARD=64"])
    with open_qemu(built.elf, load_target(board)) as device:
        check_session(device, data)
        used = device.stats().stack_used
    assert built.stack_bound.bytes is not None
    assert used <= built.stack_bound.bytes
    assert not {"mcu_store_save", "saved_train_step"} <= set(built.stack_bound.path)


def test_a_start_loads_what_was_saved(made: Path, data: Data, flash_file: Path) -> None:
    """Saved, the program killed; the next one starts with these weights, and forgets them when told."""
    program = build_host(made, sanitize=True)
    with open_host(program) as device:
        model = weights(device)
        step(device, data, 0)
        saved = weights(device)
        device.save_weights()
        step(device, data, 1)  # not saved
    with open_host(program) as device:
        assert weights(device) == saved
        device.reset_state()
        assert weights(device) == model
    with open_host(program) as device:
        assert weights(device) == saved
        device.forget_weights()
    with open_host(program) as device:
        assert weights(device) == model
    assert flash_file.stat().st_size > 0


def test_weights_of_another_network_are_left_alone(made: Path, data: Data, flash_file: Path, tmp_path: Path) -> None:
    """The same layers trained otherwise, and other layers: nothing is loaded, and nothing is lost."""
    others = [
        project(tmp_path / "head", train=f"head,{CROSS_ENTROPY}"),
        project(tmp_path / "mse", train="all,loss=mse"),
    ]
    others.append(project(tmp_path / "wider", network=Network("saved", (1, 6), [dense(6), dense(3)])))
    with open_host(build_host(made)) as device:
        step(device, data, 0)
        saved = weights(device)
        device.save_weights()
    for other in others:
        with open_host(build_host(other)) as device:
            assert not device.load_weights()
    with open_host(build_host(made)) as device:
        assert weights(device) == saved


def test_the_identity_is_that_of_model_and_training(tmp_path: Path) -> None:
    def identity(folder: str, **options: object) -> str:
        path = project(tmp_path / folder, **options)  # type: ignore[arg-type]
        header = (path / "lib" / "saved" / "include" / "saved.h").read_text()
        return next(line for line in header.splitlines() if "SAVED_SAVED_IDENTITY" in line)

    plain = identity("a")
    assert identity("b") == plain
    assert identity("c", board="nucleo_f446re") == plain  # the weights are the same on every board
    different = {
        plain,
        identity("d", train=f"head,{CROSS_ENTROPY}"),
        identity("e", train="all,loss=mse"),
        identity("f", train=f"bias,{CROSS_ENTROPY}"),
    }
    assert len(different) == 4


def test_the_identity_is_that_of_the_model_file() -> None:
    """Two models of the same shapes do not take each other's weights; the version of the tool does not matter."""
    graph = make_training_graph(build(NETWORK), parse_spec(TRAIN))
    first = saved_identity(graph, Provenance("1.0", "1" * 64))
    assert saved_identity(graph, Provenance("2.0", "1" * 64)) == first
    assert saved_identity(graph, Provenance("1.0", "2" * 64)) != first
    assert len(first) == 16


def test_the_learning_rate_is_not_saved() -> None:
    """What is set from outside is set again; what steps change is saved: all of it."""
    graph = make_training_graph(build(NETWORK), parse_spec(TRAIN))
    assert graph.training is not None
    assert {t.name for t in saved_tensors(graph)} == set(graph.training.trained)


def test_training_in_two_runs_is_one(made: Path, data: Data, flash_file: Path) -> None:
    """Twelve steps, and eight that are saved and resumed by four in another process: the same bits."""
    x, y = data
    whole = api.train(made, x, y, steps=12, rate=0.05, start="model")
    first = api.train(made, x, y, steps=8, rate=0.05, start="model", save=True)
    rest = api.train(made, np.roll(x, -8, 0), np.roll(y, -8), steps=4, rate=0.05, start="resume")
    assert first.saved_bytes == sum(w.nbytes for w in whole.weights.values())
    assert whole.loss == first.loss + rest.loss
    assert all(whole.weights[k].tobytes() == rest.weights[k].tobytes() for k in whole.weights)
    assert rest.saved_bytes is None
    assert flash_file.is_file()


def test_nothing_to_resume_from(made: Path, data: Data) -> None:
    with pytest.raises(DeviceError, match="no weights of this network are stored") as caught:
        api.train(made, *data, steps=1, rate=0.1, start="resume")
    assert any("--save" in hint for hint in caught.value.hints)
    with pytest.raises(UsageError, match="'anew' is no start"):
        api.train(made, *data, steps=1, rate=0.1, start="anew")


def test_a_flash_that_cannot_be_opened(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCU_GEN_HOST_FLASH", str(tmp_path / "no" / "such" / "folder"))
    with open_host(build_host(made)) as device, pytest.raises(DeviceError, match="no flash for them") as caught:
        device.save_weights()
    assert any("MCU_GEN_HOST_FLASH" in hint for hint in caught.value.hints)


def test_a_file_that_is_no_flash_stays_as_it_is(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("not a flash")
    monkeypatch.setenv("MCU_GEN_HOST_FLASH", str(mine))
    with open_host(build_host(made)) as device, pytest.raises(DeviceError, match="no flash for them"):
        device.save_weights()
    assert mine.read_text() == "not a flash"


@pytest.mark.parametrize(
    ("board", "words"), [("nucleo_f446re", ""), ("hifive1_revb", "no flash for weights"), ("mps2_an386", "")]
)
def test_weights_that_cannot_be_kept_are_said(board: str, words: str) -> None:
    said = api.lost_weights(api.plan(build(NETWORK), board, train=TRAIN))
    assert (words in said) if words else said == ""
    assert api.lost_weights(api.plan(build(NETWORK), board)) == ""


def test_weights_too_long_for_a_slot_are_said() -> None:
    wide = Network("wide", (1, 600), [dense(500), dense(3)])
    assert "1,208,012 B" in api.lost_weights(api.plan(build(wide), "mps2_an386", train=TRAIN))


#: The program of docs/training.md: a network library and the store, without the runtime.
_OWN_PROGRAM = """
#include <stdio.h>
#include <string.h>
#include "mcu_store.h"
#include "saved.h"

static const mcu_image image = {SAVED_SAVED_IDENTITY, SAVED_NUM_SAVED, saved_saved};

static unsigned char memory[2][4096];
static int read(const mcu_flash *f, uint32_t at, void *to, uint32_t n) {
    (void)f;
    memcpy(to, memory[0] + at, n);
    return 0;
}
static int program(const mcu_flash *f, uint32_t at, const void *word) {
    memcpy(memory[0] + at, word, f->word_bytes);
    return 0;
}
static int erase(const mcu_flash *f, uint32_t at) {
    memset(memory[0] + at, 0xFF, f->unit_bytes);
    return 0;
}
static const mcu_flash flash = {0, 4096, 8, 1, read, program, erase};

int main(void) {
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const int label = 1;
    float loss, before, again;
    saved_reset();
    if (mcu_store_load(&flash, &image) != MCU_STORE_EMPTY) return 1;
    saved_set_learning_rate(0.1f);
    for (int i = 0; i < 5; i++) saved_train_step(x, &label, &loss);
    if (mcu_store_save(&flash, &image) != MCU_STORE_OK) return 2;
    saved_train_step(x, &label, &before);
    saved_reset();
    if (mcu_store_load(&flash, &image) != MCU_STORE_OK) return 3;
    saved_train_step(x, &label, &again);
    return before == again ? 0 : 4;
}
"""


def test_the_library_and_the_store_without_the_runtime(made: Path, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(_OWN_PROGRAM)
    library, runtime = made / "lib" / "saved", made / "lib" / "mcu_runtime"
    own = tmp_path / "own"
    own.mkdir()
    for name in ("mcu_store.c", "mcu_store.h", "mcu_flash.h", "mcu_crc32.c", "mcu_crc32.h"):
        (own / name).write_text((runtime / name).read_text())
    sources = [tmp_path / "main.c", *own.glob("*.c"), *(library / "src").glob("*.c")]
    command = [*compiler(), "-std=c99", "-Wall", "-Wextra", *SANITIZE, f"-I{own}", f"-I{library / 'include'}"]
    subprocess.run([*command, *map(str, sources), "-lm", "-o", str(tmp_path / "p")], check=True, timeout=COMPILE_S)
    assert subprocess.run([str(tmp_path / "p")], timeout=60, check=False).returncode == 0
