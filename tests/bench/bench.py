"""Counts the instructions of one inference, and the linked sizes, per model and core; beside the peers' figures.

    python tests/bench/bench.py                       all models and cores, one table; writes bench.json
    python tests/bench/bench.py --model resnet8_int8 --board mps2_an386 --layers

Instructions are counted by QEMU and are exact: the same program gives the same number on every machine.  Sizes are
read from the linked program.  The peers' figures (peers.json) were counted in the same emulator on the same models.
Models that are not part of the repository are looked for in $MCU_GEN_SHARED/models or ../shared/models; the digits
network of examples/ is always there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mcu_gen import api
from mcu_gen.errors import McuGenError
from mcu_gen.targets import load_target

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("MCU_GEN_SHARED", ROOT.parent / "shared"))
BOARDS = ("mps2_an386", "mps2_an500", "mps2_an505", "mps3_an547", "rv32_virt")
MODELS = (
    "hello_world_int8",
    "dscnn_kws_int8",
    "resnet8_int8",
    "mobilenet_vww_int8",
    "mcunet_vww1_int8",
    "resnet8_float",
)


@dataclass(frozen=True)
class Row:
    """One model on one core.  Bytes; instructions of one inference."""

    model: str
    board: str
    cpu: str
    toolchain: str
    macs: int
    instructions: int
    arena: int
    stack: int
    flash: int
    layers: list[dict[str, Any]] = field(default_factory=list)


def models(names: list[str]) -> dict[str, Path]:
    """Model files by name; those that are not on this machine are left out."""
    found = {"digits_int8": ROOT / "examples" / "digits" / "digits_int8.tflite"}
    found |= {name: SHARED / "models" / f"{name}.tflite" for name in MODELS}
    return {n: p for n, p in found.items() if p.is_file() and (not names or n in names)}


def measure(name: str, path: Path, board: str) -> Row:
    """Builds and runs one model on one board."""
    with tempfile.TemporaryDirectory(prefix="mcu-gen-bench-") as folder:
        out = Path(folder) / "project"
        project = api.generate(path, board, out)
        sizes = api.build(project.dir)
        profile = api.profile(project.dir, on="qemu")
        sample = api.random_batch(api.open_project(project.dir).inputs, 1, 0)
        inference = api.run(project.dir, sample, on="qemu")
    assert inference.instructions_per_sample is not None
    return Row(
        model=name,
        board=board,
        cpu=load_target(board).cpu,
        toolchain=sizes["toolchain"],
        macs=profile["total"]["macs"],
        instructions=inference.instructions_per_sample,
        arena=sizes["arena_bytes"],
        stack=inference.stack_used,
        flash=sizes["text"] + sizes["rodata"] + sizes["data"],
        layers=[{k: layer[k] for k in ("name", "op", "kernel", "macs", "instructions")} for layer in profile["layers"]],
    )


def show(rows: list[Row], peers: dict[str, Any], console: Console) -> None:
    """The table: ours, then the peers on the same model and core."""
    table = Table(title="One inference (instructions: exact counts in QEMU; bytes: linked)", title_justify="left")
    for title in ("model", "core", "by"):
        table.add_column(title, no_wrap=title != "by")
    for title in ("instructions", "per MAC", "arena", "stack", "flash"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.model, row.cpu, f"mcu-gen ({row.toolchain})", f"{row.instructions:,}",
            f"{row.instructions / row.macs:.3f}" if row.macs else "", f"{row.arena:,}", f"{row.stack:,}",
            f"{row.flash:,}", style="bold",
        )  # fmt: skip
        for peer, figures in peers.get(row.model, {}).items():
            count = figures.get(row.cpu)
            if count is None:
                continue
            m4 = row.cpu == "cortex-m4"
            table.add_row(
                "", "", peer, f"{count:,}", f"{count / row.macs:.3f}" if row.macs else "",
                f"{figures['ram']:,}" if m4 and "ram" in figures else "", "",
                f"{figures['flash']:,}" if m4 and "flash" in figures else "",
            )  # fmt: skip
        table.add_section()
    console.print(table)


def show_layers(row: Row, console: Console) -> None:
    """Instructions of each layer."""
    table = Table(title=f"{row.model} on {row.cpu}", title_justify="left")
    for title in ("layer", "operator", "kernel"):
        table.add_column(title, overflow="ellipsis", max_width=36)
    for title in ("MACs", "instructions", "per MAC"):
        table.add_column(title, justify="right")
    for layer in row.layers:
        macs, count = layer["macs"], layer["instructions"]
        table.add_row(
            layer["name"],
            layer["op"],
            layer["kernel"],
            f"{macs:,}",
            f"{count:,}",
            f"{count / macs:.2f}" if macs else "",
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="only this model (repeatable)")
    parser.add_argument("--board", action="append", default=[], help="only this board (repeatable)")
    parser.add_argument("--layers", action="store_true", help="also a table per layer")
    parser.add_argument("--out", type=Path, help="where to write the rows; bench.json beside this file for a full run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    chosen = models(args.model)
    missing = sorted(set(args.model or MODELS) - set(chosen))
    if missing:
        console.print(f"not on this machine, left out: {', '.join(missing)} (looked in {SHARED / 'models'})")
    jobs = [(n, p, b) for n, p in chosen.items() for b in (args.board or BOARDS)]
    try:
        with ThreadPoolExecutor(args.jobs) as pool:
            rows = list(pool.map(lambda job: measure(*job), jobs))
    except McuGenError as error:
        console.print(f"[red]{error}[/red]")
        for hint in error.hints:
            console.print(f"  try: {hint}")
        return error.exit_code
    peers = json.loads((HERE / "peers.json").read_text("utf-8"))["models"]
    show(rows, peers, console)
    if args.layers:
        for row in rows:
            show_layers(row, console)
    full = not (args.model or args.board or missing)
    out = args.out or (HERE / "bench.json" if full else None)
    if out is not None:
        plain = [{k: v for k, v in asdict(r).items() if k != "layers"} for r in rows]
        out.write_text(json.dumps({"schema": 1, "rows": plain}, indent=1) + "\n", "utf-8")
        console.print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
