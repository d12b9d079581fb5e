"""A wheel of the checkout, installed into an empty virtual environment, works from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import mcu_gen

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mcu-gen` in a virtual environment that holds the wheel; its dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        str(wheel),
    ]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "mcu-gen"


def _run(program: Path, cwd: Path, *args: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [str(program), *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_wheel_holds_all_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("templates", "firmware", "boards"):
        tracked = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, timeout=60
        ).stdout.split()
        files = tracked or [str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*") if p.is_file()]
        missing = [f for f in files if (ROOT / f).exists() and f"mcu_gen/_data/{f}" not in names]
        assert not missing
        assert files, f"there is nothing in {folder}"
    assert "mcu_gen/py.typed" in names
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert not any(n.startswith(("tests/", "docs/")) or n.endswith(".pyc") for n in names)


def test_installed_package_is_the_one_that_runs(program: Path, tmp_path: Path) -> None:
    code = "import mcu_gen, mcu_gen.resources as r; print(mcu_gen.__file__); print(r.resource_dir('boards'))"
    done = _run(program.with_name("python"), tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert str(program.parents[1]) in line
    assert _run(program, tmp_path, "--version").stdout.strip() == f"mcu-gen {mcu_gen.__version__}"


def test_lists(program: Path, tmp_path: Path) -> None:
    boards = json.loads(_run(program, tmp_path, "boards", "--json").stdout)["data"]["boards"]
    assert {b["name"] for b in boards} == {p.stem for p in (ROOT / "boards").glob("*.json")}
    ops = json.loads(_run(program, tmp_path, "ops", "--json").stdout)["data"]["ops"]
    assert len(ops) >= 25


def test_whole_story_on_the_host(program: Path, tmp_path: Path) -> None:
    done = _run(program, tmp_path, "demo", "--on", "host", "-o", "out", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {s["name"]: s for s in json.loads(done.stdout)["data"]["steps"]}
    assert steps["compare"]["mismatches"] == 0
    assert steps["run"]["right"] == steps["compare"]["right"]
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.qemu
def test_whole_story_on_the_emulated_board(program: Path, tmp_path: Path) -> None:
    done = _run(program, tmp_path, "demo", "-o", "out", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(done.stdout)["data"]
    assert data["on"] == "qemu"
    assert data["fallback"] is None
    steps = {s["name"]: s for s in data["steps"]}
    assert steps["compare"]["mismatches"] == 0
    assert steps["run"]["instructions_per_sample"] > 0


def test_lower_bounds_hold_what_the_lock_pins() -> None:
    """Every dependency of the package is pinned in the lock, at a version that its range allows."""
    import tomllib

    from packaging.requirements import Requirement

    pinned: dict[str, str] = {}
    for name in ("lock.txt", "lock-tflm.txt"):
        for line in (ROOT / "requirements" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                package, version = line.split("==")
                pinned[package.lower().replace("_", "-")] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["dev"], *extras["tflm"]]:
        wanted = Requirement(text)
        version = pinned.get(wanted.name.lower())
        assert version is not None, f"{wanted.name} is not in the lock"
        assert wanted.specifier.contains(version, prereleases=True), f"{wanted}: the lock pins {version}"
