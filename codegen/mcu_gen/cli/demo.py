"""``mcu-gen demo``: the whole story on the embedded default in a minute or two."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from mcu_gen.api.demo import demo as run_demo
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts
from mcu_gen.errors import MismatchError


class Where(enum.StrEnum):
    """What the demo runs on."""

    qemu = "qemu"
    host = "host"


_TITLES = {
    "plan": "planning the memory",
    "generate": "writing a PlatformIO project",
    "build": "building",
    "run": "running the test split",
    "compare": "asking the reference",
    "report": "drawing the memory map",
}


def _line(step: dict[str, Any]) -> str:
    """What a step says in one line."""
    name = step["name"]
    if name == "plan":
        return f"{step['model']} for {step['board']}: {step['layers']} layers, arena {step['arena_bytes']:,} B"
    if name == "generate":
        return f"{step['files']} files in {step['dir']}"
    if name == "build":
        return f"{step['toolchain']}: flash {step['flash_bytes']:,} B, RAM {step['ram_bytes']:,} B, linked"
    if name == "run":
        count = step["instructions_per_sample"]
        cost = f", {count:,} instructions each (simulated)" if count is not None else ""
        return f"{step['samples']} samples on {step['on']}{cost}"
    if name == "compare":
        return f"{step['elements']:,} outputs against {step['oracle']}: {step['mismatches']} mismatches"
    return str(step["file"])


def _summary(steps: dict[str, dict[str, Any]]) -> Table:
    ran, compared, planned = steps["run"], steps["compare"], steps["plan"]
    place = "an emulated Cortex-M4 (QEMU)" if ran["on"] == "qemu" else "this machine (host back end)"
    rows = [
        (f"accuracy on {place}", f"[bold]{ran['accuracy']:.2%}[/bold]  ({ran['right']} of {ran['samples']})"),
        (
            f"accuracy of {compared['oracle']}",
            f"[bold]{compared['accuracy']:.2%}[/bold]  ({compared['right']} of {compared['samples']})",
        ),
        ("arena", f"[bold]{planned['arena_bytes']:,} B[/bold]"),
    ]
    if planned["tflm_arena_bytes"]:
        rows.append(("arena of TensorFlow Lite Micro", f"{planned['tflm_arena_bytes']:,} B"))
    rows.append(("memory map", escape(steps["report"]["file"])))
    return facts(rows)


@verb("demo", "Look around")
def demo(
    out: Output,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the demo.")] = Path(
        "demo-out"
    ),
    on: Annotated[Where, typer.Option("--on", help="Emulated Cortex-M4, or this machine.")] = Where.qemu,
) -> tuple[dict[str, Any], Render]:
    """Plan, generate, build and run the embedded digits network on an emulated Cortex-M4."""
    with out.progress("demo") as advance:

        def progress(step: str, done: int, total: int) -> None:
            if total:
                advance(done, total)
            else:
                advance.title(_TITLES[step])

        story = run_demo(output, on=on.value, progress=progress)
    steps = {step["name"]: step for step in story.steps}
    data = {"steps": story.steps, "on": steps["run"]["on"], "fallback": story.fallback, "dir": str(output)}
    out.data = data
    if story.fallback:
        out.warn(f"no emulated board here, so the demo ran the same C on this machine: {story.fallback}")
    if steps["compare"]["mismatches"]:
        raise MismatchError(_line(steps["compare"]), where=steps["run"]["on"])

    def render() -> None:
        for step in story.steps:
            text = f"[green]✓[/green] [bold]{step['name']:<9}[/bold] {escape(_line(step))}"
            out.out.print(f"{text}  [dim]{step['seconds']:.1f} s[/dim]")
        out.out.print(Panel.fit(_summary(steps), title="digits", border_style="green"))

    return data, render
