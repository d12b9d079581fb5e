"""``mcu-gen analyze``: layers, multiply-accumulates, weights, activations; does it fit?"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Model, OptionalBoard
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import INPUT_TEXT, count, facts, layer_name, plain_table, shape_text, tflm_line, used_of
from mcu_gen.frontends import load_bytes
from mcu_gen.report.peers import tflm_memory


def peak_text(data: dict[str, Any]) -> str:
    """Which layer needs the most memory, and for what."""
    peak = data["peak"]
    where = "at the inputs" if peak["layer"] is None else f"at layer {peak['index']} {layer_name(peak['layer'])}"
    largest = " and ".join(f"{layer_name(t['name'])} {t['bytes']:,} B" for t in peak["tensors"][:2])
    return f"{where} ({largest})"


@verb("analyze", "From a model to firmware")
def analyze(
    out: Output,
    model: Model,
    board: OptionalBoard = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the search for limits worth trying.")] = False,
) -> tuple[dict[str, Any], Render]:
    """Layers, multiply-accumulates, weights, activation peak; with a board, whether it fits."""
    with out.phase("analysing" if quick or board is None else "searching all plans"):
        data = api.analyze(model, board, front=not quick)
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
        rows.append(("TensorFlow Lite Micro", tflm_line(data["tflm"], data.get("arena_bytes"))))
        if data["fits"] is not None:
            fits = "[green]yes[/green]" if data["fits"] else f"[red]no[/red]: {escape(data['reason'])}"
            rows.append(("fits", fits))
        out.out.print()
        out.out.print(facts(rows))
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
