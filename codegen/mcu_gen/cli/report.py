"""``mcu-gen report``: one self-contained HTML page about a project."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import ProjectDir
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import facts, tflm_line
from mcu_gen.errors import UsageError
from mcu_gen.frontends import load_bytes
from mcu_gen.report.page import render_page
from mcu_gen.report.peers import tflm_memory


def project_model(project: api.ProjectFile, model: Path | None) -> bytes | None:
    """The bytes of the project's model, checked against the hash that the project names."""
    if model is None:
        return None
    content = load_bytes(model)
    digest, wanted = hashlib.sha256(content).hexdigest(), project.data["model"]["sha256"]
    if digest != wanted:
        raise UsageError(
            f"this is not the model of the project: its SHA-256 is {digest[:12]}..., the project's is {wanted[:12]}...",
            where=f"--model {model}",
        )
    return content


def write_report(project: api.ProjectFile, output: Path, tflm: dict[str, Any]) -> None:
    """Renders the page and writes it."""
    page = render_page(project.data, tflm=tflm)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(output)) from None


@verb("report", "Look at it")
def report(
    out: Output,
    project: ProjectDir,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The page.")] = Path("report.html"),
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            help="The project's model: adds the front of all plans, and TensorFlow Lite Micro's figure.",
        ),
    ] = None,
) -> tuple[dict[str, Any], Render]:
    """One self-contained page: memory map, front, graph with segments, layers, sizes, comparison."""
    found = api.open_project(project)
    with out.phase("asking TensorFlow Lite Micro"):
        content = project_model(found, model)
        tflm = found.data.get("tflm") if content is None else None
        if found.data["plan"].get("training"):
            tflm = {"arena_bytes": None, "why": "it does not train, and this arena holds a training step"}
        if tflm is None:
            tflm = tflm_memory(content)
            if tflm["arena_bytes"] is not None:
                found.record(tflm=tflm)
    if model is not None and "pareto" not in found.data["plan"]:
        with out.phase("searching all plans"):
            train, limit = found.data["options"].get("train", ""), found.data["options"].get("max-flash")
            plans = api.pareto(
                model,
                api.target_of(found),
                input_mode="auto",
                train=train,
                max_flash=None if limit is None else int(limit),
            )
            front = api.front_data(plans)
        found.record(plan={**found.data["plan"], "pareto": front})
    found = api.open_project(project)
    write_report(found, output, tflm)
    plan = found.data["plan"]
    data = {
        "file": str(output),
        "arena_bytes": plan["arena_bytes"],
        "ram_bytes": plan["ram_bytes"],
        "tflm": tflm,
        "sections": [s for s in ("build", "profile", "validation") if s in found.data],
    }

    def render() -> None:
        out.out.print(f"[bold]{escape(str(output))}[/bold]")
        out.out.print(
            facts(
                [
                    ("arena", f"{plan['arena_bytes']:,} B"),
                    ("TensorFlow Lite Micro", tflm_line(tflm, plan["arena_bytes"])),
                ]
            )
        )
        for section, command in (("build", "build"), ("profile", "profile")):
            if section not in found.data:
                out.note(f"`mcu-gen {command} {project}` adds its figures to the page")

    return data, render
