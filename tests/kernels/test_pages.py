"""The pages about adding an operator and a kernel, followed to the letter: their files work as they are printed.

Each page is followed in a copy of the sources.  A heading that names a file in backticks is followed by its content.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r"^## [^\n]*`([^`\n]+)`\n(.*?)^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: {page: (files that it adds, words that choose its cases, kernel that must have been used)}
PAGES = {
    "adding-an-operator.md": (4, "abs", "abs_f32"),
    "adding-a-kernel.md": (3, "clamp_s8", "clamp_s8"),
}


def printed_files(page: str) -> dict[str, str]:
    found = {}
    for path, between, content in FILE.findall((ROOT / "docs" / page).read_text("utf-8")):
        assert "\n## " not in between, f"no content follows the heading of {path}"
        found[path] = content
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_example_of_the_page_works(page: str, tmp_path: Path) -> None:
    count, words, name = PAGES[page]
    files = printed_files(page)
    assert len(files) == count, sorted(files)
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for folder in ("codegen", "templates", "firmware", "boards"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skip)
    for folder in ("support", "ops"):
        shutil.copytree(ROOT / "tests" / folder, tmp_path / "tests" / folder, ignore=skip)
    for path, content in files.items():
        assert not (tmp_path / path).exists(), f"{path} is there already"
        (tmp_path / path).write_text(content, "utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'codegen'}{os.pathsep}{tmp_path / 'tests'}"}
    for command in (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", str(tmp_path / "tests"),
         "tests/ops/test_three_way.py", "-k", words],
        ["-c", USED.format(table=f"cases_{words}", name=name)],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


#: Some case must really have been computed by the new kernel.
USED = """
import mcu_gen.ops
from mcu_gen.frontends import load_tflite
from mcu_gen.kernels import select
from mcu_gen.targets import Target
from ops.{table} import CASES
nodes = [n for case in CASES for n in load_tflite(case.build()).nodes()]
assert any(select(n, Target("host")).name == "{name}" for n in nodes)
"""
