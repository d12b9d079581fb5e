"""``mcu-gen analyze``: layers, multiply-accumulates, weights, activations; does it fit?"""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from mcu_gen import api
from mcu_gen.cli.app import Render, verb
from mcu_gen.cli.options import Model, OptionalBoard
from mcu_gen.cli.output import Output
from mcu_gen.cli.tables import count, facts, layer_name, plain_table, shape_text, tflm_line, used_of
from mcu_gen.frontends import load_bytes
from mcu_gen.report.peers import tflm_memory


@verb("analyze", "From a model to firmware")
def analyze(out: Output, model: Model, board: OptionalBoard = None) -> tuple[dict[str, Any], Render]:
    """Layers, multiply-accumulates, weights, activation peak; with a board, whether it fits."""
    data = api.analyze(model, board)
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
            ("activation peak", f"{data['activation_peak_bytes']:,} B, layer by layer, input included"),
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

    return data, render
