"""``mcu-gen analyze``: layers, multiply-accumulates, weights, activations; does it fit?"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Model, OptionalBoard, Train
from mcu_gen.cli.output import Output, brief
from mcu_gen.cli.tables import (
    INPUT_TEXT,
    count,
    estimate_text,
    facts,
    layer_name,
    plain_table,
    shape_text,
    tflm_line,
    training_rows,
    used_of,
)
from mcu_gen.frontends import load_bytes
from mcu_gen.report.peers import tflm_memory


def peak_text(data: dict[str, Any]) -> str:
    """Which layer needs the most memory, and for what."""
    peak = data["peak"]
    where = "at the inputs" if peak["layer"] is None else f"at layer {peak['index']} {layer_name(peak['layer'])}"
    largest = " and ".join(f"{layer_name(t['name'])} {t['bytes']:,} B" for t in peak["tensors"][:2])
    return f"{where} ({largest})"


def print_choices(out: Output, data: dict[str, Any]) -> None:
    """What learning costs, a line per choice; the one that was asked for is marked."""
    choices = data["training"]
    possible = [c for c in choices if c["refused"] is None]
    chosen = next(c for c in possible if c["chosen"])
    board = data["fits"] is not None
    state = ["state"] if any(c["optimizer_state_bytes"] for c in possible) else []
    columns = ["trained", "saved", *state, "forward", "inputs", "weights", *(["RAM"] if board else [])]
    table = plain_table("", "--train", *columns, *(["fits"] if board else []), right=columns)
    table.columns[1].no_wrap = True
    for c in possible:
        macs = c["macs"]
        room = [f"{c['ram_bytes']:,}", "yes" if c["fits"] else "[red]no[/red]"] if board else []
        table.add_row(
            "▸" if c["chosen"] else "", escape(c["train"].split(",")[0]), count(c["trainable_parameters"]),
            count(c["saved_bytes"]), *([count(c["optimizer_state_bytes"])] if state else []), count(macs["forward"]),
            count(macs["input_gradient"]), count(macs["weight_gradient"]), *room,
            style="bold" if c["chosen"] else None,
        )  # fmt: skip
    where = f" on {escape(data['board'])}" if board else ""
    out.out.print(f"\n[bold]Learning[/bold]{where}: {escape(chosen['train'])}, and other choices")
    out.out.print(table)
    out.out.print(
        "[dim]saved activations, optimizer state and RAM in bytes; multiply-accumulates of a step by phase[/dim]"
    )
    for c in choices:
        if c["refused"] is not None:
            out.out.print(f"[dim]--train {escape(c['train'])}: {escape(brief(c['refused']))}[/dim]")
    out.out.print(facts(training_rows(chosen)))


@verb("analyze", "From a model to firmware")
def analyze(
    out: Output,
    model: Model,
    board: OptionalBoard = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the search for limits worth trying.")] = False,
    train: Train = "",
) -> tuple[dict[str, Any], Render]:
    """Layers, multiply-accumulates, weights, activation peak; with a board, whether it fits.

    With --train, what learning on the device costs: as the request says, and in other usual ways.
    """
    with out.phase("analysing" if quick or board is None else "searching all plans"):
        data = api.analyze(model, board, front=not quick, train=train)
    with out.phase("asking TensorFlow Lite Micro"):
        data["tflm"] = tflm_memory(load_bytes(model))
    for warning in data["warnings"]:
        out.warn(warning)

    def render() -> None:
        table = plain_table("#", "layer", "operator", "output", "MACs", "weights", right=("#", "MACs", "weights"))
        for row in data["layers"]:
            table.add_row(
                str(row["index"]), layer_name(row["name"]), row["op"],
                f"{shape_text(row['output_shape'])} {row['output_dtype']}",
                count(row["macs"]), count(row["weight_bytes"]),
            )  # fmt: skip
        out.out.print(table)
        rows = [
            ("model", f"[bold]{escape(data['model'])}[/bold]"),
            ("multiply-accumulates", f"{data['macs']:,}"),
            ("weights", f"{data['weight_bytes']:,} B"),
            (
                "activation peak",
                f"{data['activation_peak_bytes']:,} B, layer by layer, input included: {peak_text(data)}",
            ),
        ]
        if data["fits"]:
            rows += [
                (f"RAM on {data['board']}", used_of(data["ram_bytes"], data["ram_limit_bytes"])
                 + f": arena {data['arena_bytes']:,} B, stack {data['stack_bytes']:,} B"),
                (f"flash on {data['board']}", used_of(data["flash_bytes"], data["flash_limit_bytes"]) + " for weights"),
            ]  # fmt: skip
            if text := estimate_text(data["estimate"]):
                rows.append(("predicted", text))
        rows.append(("TensorFlow Lite Micro", tflm_line(data["tflm"], data.get("arena_bytes"))))
        if data["fits"] is not None:
            fits = "[green]yes[/green]" if data["fits"] else f"[red]no[/red]: {escape(data['reason'])}"
            rows.append(("fits", fits))
        out.out.print()
        out.out.print(facts(rows))
        if train:
            print_choices(out, data)
        if data.get("suggestions"):
            out.out.print(f"\nless RAM on {escape(data['board'])} by running layers tile by tile:")
            table = plain_table("", "", "input", "", right=("",))
            for s in data["suggestions"]:
                table.add_row(
                    f"[bold]--max-ram {s['max_ram']}[/bold]", f"+{s['macs_overhead_pct']:.1f} % MACs",
                    INPUT_TEXT[s["input"]], f"[dim]{s['why']}[/dim]",
                )  # fmt: skip
            out.out.print(table)
            out.note("`mcu-gen plan --pareto` lists all of them")

    return data, render
