"""The whole story on the embedded digits network: plan, generate, build, run, compare, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.api.building import build
from mcu_gen.api.comparison import compare
from mcu_gen.api.devices import open_device
from mcu_gen.api.planning import load, plan
from mcu_gen.api.projects import open_project, write
from mcu_gen.api.samples import as_batch, read_arrays, read_labels, unbatch
from mcu_gen.api.validation import run_batch
from mcu_gen.errors import ToolMissingError
from mcu_gen.report.page import render_page
from mcu_gen.report.peers import tflm_memory
from mcu_gen.resources import resource_dir
from mcu_gen.run.oracle import oracle_version, run_litert
from mcu_gen.targets import Target, list_targets

#: The demo runs on the first board that ships with this core and that QEMU can run.
CORE = "cortex-m4"
_BUILD_FIGURES = ("toolchain", "text", "rodata", "data", "bss", "arena_bytes", "ram_bytes", "flash_bytes")
ORACLE = "LiteRT BUILTIN_REF"

#: Called when a step begins (with its title) and while it runs (with samples done and in all).
Progress = Callable[[str, int, int], None]


def demo_files() -> tuple[Path, Path]:
    """The embedded model and its test split (``x`` float32[450, 8, 8, 1] in 0..1, ``y`` int64[450])."""
    folder = resource_dir("examples") / "digits"
    return folder / "digits_int8.tflite", folder / "digits_test.npz"


def demo_board() -> Target:
    """The emulated board of the demo."""
    return next(t for t in list_targets() if t.cpu == CORE and "qemu" in t.emulators)


@dataclass
class Story:
    """What has happened so far.

    Attributes:
        steps: one record per finished step: ``name``, ``seconds`` on this machine, and its figures.
        fallback: why the demo runs on the host and not on the emulated board; None when it does not.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    fallback: str | None = None
    _since: float = field(default_factory=time.monotonic, repr=False)

    def finish(self, name: str, **figures: Any) -> dict[str, Any]:
        now = time.monotonic()
        step = {"name": name, "seconds": round(now - self._since, 2), **figures}
        self._since = now
        self.steps.append(step)
        return step


def right_answers(outputs: list[list[np.ndarray]], labels: np.ndarray) -> int:
    """How many samples a classifier gets right: the index of its largest output is the label."""
    return sum(int(np.argmax(o[0])) == int(label) for o, label in zip(outputs, labels, strict=True))


def _build(out: Path, on: str, story: Story) -> str:
    """Builds for the emulator, or says why that is not possible here; returns where the demo runs."""
    if on == "host":
        return on
    try:
        sizes = build(out)
        with open_device(open_project(out), on) as device:
            device.hello()
    except ToolMissingError as error:
        story.fallback = f"{error}" + (f" ({error.hints[0]})" if error.hints else "")
        return "host"
    story.finish(
        "build",
        **{
            k: sizes[k]
            for k in ("toolchain", "text", "rodata", "data", "bss", "arena_bytes", "ram_bytes", "flash_bytes")
        },
    )
    return on


def demo(out: Path, *, on: str = "qemu", progress: Progress) -> Story:
    """Runs the story into the folder ``out`` (``project/`` and ``report.html``).

    Args:
        out: made when it does not exist; a project of an earlier demo in it is replaced.
        on: ``qemu``, or ``host``; without the tools for QEMU the host is taken and :attr:`Story.fallback` says why.
        progress: see :data:`Progress`.

    Raises:
        ToolMissingError: there is not even a compiler for the host.
        DeviceError: the emulator failed.
    """
    story = Story()
    model, data = demo_files()
    labels = read_labels(data)
    assert labels is not None, f"{data} holds no labels"

    progress("plan", 0, 0)
    made = plan(load(model), demo_board())
    tflm = tflm_memory(model)
    story.finish(
        "plan", model=made.graph.name, board=made.target.name, layers=len(made.steps), arena_bytes=made.arena_bytes,
        ram_bytes=made.ram_bytes, tflm_arena_bytes=tflm["arena_bytes"],
    )  # fmt: skip

    progress("generate", 0, 0)
    folder = out / "project"
    project = write(made, folder)
    story.finish("generate", dir=str(folder), files=len(project.files))

    progress("build", 0, 0)
    where = _build(folder, on, story)

    progress("run", 0, 0)
    opened = open_project(folder)
    samples = unbatch(as_batch(read_arrays(data), opened.inputs, str(data)), opened.inputs)
    with open_device(opened, where) as device:
        got, ticks = run_batch(device, samples, reset_state=False, progress=lambda d, n: progress("run", d, n))
        instructions = device.instructions(ticks)
        stack = device.stats().stack_used
    right = right_answers(got, labels)
    story.finish(
        "run", on=where, samples=len(got), right=right, accuracy=right / len(got), stack_used=stack,
        instructions_per_sample=None if instructions is None else instructions // len(got),
    )  # fmt: skip

    progress("compare", 0, 0)
    want = run_litert(model, samples).outputs
    found = compare(got, want, [s.name for s in opened.outputs])
    right = right_answers(want, labels)
    story.finish(
        "compare", oracle=ORACLE, oracle_version=oracle_version(), right=right, accuracy=right / len(want),
        samples=found.samples, elements=found.elements, mismatches=found.mismatches, first_mismatch=found.first,
    )  # fmt: skip

    progress("report", 0, 0)
    opened.record(
        tflm=tflm,
        validation={
            "on": where, "oracle": ORACLE, "oracle_version": oracle_version(), "rule": found.rule,
            "samples": found.samples, "elements": found.elements, "mismatches": found.mismatches,
            "max_abs_diff": found.max_abs_diff,
        },
    )  # fmt: skip
    page = out / "report.html"
    page.write_text(render_page(open_project(folder).data, tflm=tflm), encoding="utf-8")
    story.finish("report", file=str(page))
    return story
