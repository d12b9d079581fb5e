"""Counts the instructions of one inference, and the linked sizes, per model and core; beside the peers' figures.

    python tests/bench/bench.py                       all models and cores, one table; writes bench.json
    python tests/bench/bench.py --model resnet8_int8 --board mps2_an386 --layers
    python tests/bench/bench.py --model digits_int8 --check     compares with bench.json; 1 when anything grew
    python tests/bench/bench.py --model digits_int8 --write     puts the measured rows into bench.json

Instructions are counted by QEMU and are exact: the same program gives the same number on every machine.  Sizes are
read from the linked program.  "per MAC" divides by the multiply-accumulates of the model file, whatever the passes
took away.  The peers' figures (peers.json) were counted in the same emulator on the same models; the floor is what the
inner loop of an int8 convolution alone needs there, times the model's multiply-accumulates.  Models that are not part
of the repository are looked for in $MCU_GEN_SHARED/models or ../shared/models; the digits network of examples/ and
the autoencoder in the shape of AD01 (autoencoder.py, random weights) are always there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mcu_gen import api, frontends
from mcu_gen.errors import McuGenError
from mcu_gen.graph.operator import operator
from mcu_gen.targets import Target, load_target

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))  # as a script

from bench.autoencoder import autoencoder  # noqa: E402
from bench.gate import compare, key  # noqa: E402

BASELINE = HERE / "bench.json"
SHARED = Path(os.environ.get("MCU_GEN_SHARED", ROOT.parent / "shared"))
BOARDS = ("mps2_an386", "mps2_an500", "mps2_an505", "mps3_an547", "rv32_virt", "rv32_virt_rvv")
MODELS = (
    "hello_world_int8",
    "dscnn_kws_int8",
    "resnet8_int8",
    "mobilenet_vww_int8",
    "mcunet_vww1_int8",
    "resnet8_float",
)
#: Models that are always there.
OWN = ("digits_int8", "ad01_shape_int8")


@dataclass(frozen=True)
class Row:
    """One model on one core.  Bytes; instructions of one inference; ``macs`` of the model file."""

    model: str
    board: str
    cpu: str
    compiler: str
    macs: int
    instructions: int
    arena: int
    stack: int
    flash: int
    layers: list[dict[str, Any]] = field(default_factory=list)


def models(names: list[str], folder: Path) -> dict[str, Path]:
    """Model files by name, without those that are not on this machine; one is built here, in ``folder``."""
    built = folder / "ad01_shape_int8.tflite"
    built.write_bytes(autoencoder())
    found = {"digits_int8": ROOT / "examples" / "digits" / "digits_int8.tflite", "ad01_shape_int8": built}
    found |= {name: SHARED / "models" / f"{name}.tflite" for name in MODELS}
    return {n: p for n, p in found.items() if p.is_file() and (not names or n in names)}


def model_macs(path: Path) -> int:
    """Multiply-accumulates of a model file, before any pass."""
    return sum(operator(node.type).macs(node) for node in frontends.load(path).nodes())


def compiler(target: Target, kind: str) -> str:
    """Name and version of the compiler that built for ``target``, as in ``gcc 12.2.1``."""
    settings = target.settings["toolchains"][kind]
    programs = [f"{settings['prefix']}gcc"] if kind == "gcc" else settings["programs"]
    program = next(p for p in programs if shutil.which(p))
    version = subprocess.run([program, "-dumpversion"], capture_output=True, text=True, timeout=60, check=True).stdout
    return f"{kind} {version.strip()}"


def measure(name: str, path: Path, board: str, *, per_layer: bool = False) -> Row:
    """Builds and runs one model on one board; ``per_layer`` builds a second program that counts between layers."""
    with tempfile.TemporaryDirectory(prefix="mcu-gen-bench-") as folder:
        out = Path(folder) / "project"
        project = api.generate(path, board, out)
        sizes = api.build(project.dir)
        profile = api.profile(project.dir, on="qemu")["layers"] if per_layer else []
        sample = api.random_batch(api.open_project(project.dir).inputs, 1, 0)
        inference = api.run(project.dir, sample, on="qemu")
    assert inference.instructions_per_sample is not None
    target = load_target(board)
    return Row(
        model=name,
        board=board,
        cpu=target.cpu + ("v" if "rvv" in target.features else ""),
        compiler=compiler(target, sizes["toolchain"]),
        macs=model_macs(path),
        instructions=inference.instructions_per_sample,
        arena=sizes["arena_bytes"],
        stack=inference.stack_used,
        flash=sizes["text"] + sizes["rodata"] + sizes["data"],
        layers=[{k: layer[k] for k in ("name", "op", "kernel", "macs", "instructions")} for layer in profile],
    )


def attempt(job: tuple[str, Path, str], console: Console, *, per_layer: bool) -> Row | None:
    """:func:`measure`, or None after printing why it was not possible."""
    try:
        row = measure(*job, per_layer=per_layer)
        console.print(f"{row.model} on {row.board}: {row.instructions:,} instructions", style="dim")
        return row
    except McuGenError as error:
        console.print(f"[red]{job[0]} on {job[2]}: {error}[/red]")
        for hint in error.hints:
            console.print(f"  try: {hint}")
        return None


def show(rows: list[Row], peers: dict[str, Any], console: Console) -> None:
    """The table: ours, then the peers on the same model and core."""
    table = Table(title="One inference (instructions: exact counts in QEMU; bytes: linked)", title_justify="left")
    for title in ("model", "core", "by"):
        table.add_column(title, no_wrap=title != "by")
    for title in ("instructions", "per MAC", "arena", "stack", "flash"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.model, row.cpu, f"mcu-gen ({row.compiler})", f"{row.instructions:,}",
            f"{row.instructions / row.macs:.3f}" if row.macs else "", f"{row.arena:,}", f"{row.stack:,}",
            f"{row.flash:,}", style="bold",
        )  # fmt: skip
        for peer, figures in peers["models"].get(row.model, {}).items():
            count = figures.get(row.cpu)
            if count is None:
                continue
            m4 = row.cpu == "cortex-m4"
            table.add_row(
                "", "", peer, f"{count:,}", f"{count / row.macs:.3f}" if row.macs else "",
                f"{figures['ram']:,}" if m4 and "ram" in figures else "", "",
                f"{figures['flash']:,}" if m4 and "flash" in figures else "",
            )  # fmt: skip
        floor = peers["floors"].get(row.cpu)
        if floor is not None and row.macs and "int8" in row.model:
            table.add_row("", "", "floor of the inner loop", f"{floor * row.macs:,.0f}", f"{floor:.3f}", style="dim")
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


def baseline() -> list[dict[str, Any]]:
    """The committed rows."""
    rows: list[dict[str, Any]] = json.loads(BASELINE.read_text("utf-8"))["rows"] if BASELINE.is_file() else []
    return rows


def write(rows: list[dict[str, Any]]) -> None:
    """Puts rows into bench.json: new ones replace those of the same model and board."""
    merged = {key(row): row for row in [*baseline(), *rows]}
    text = ",\n".join(f"  {json.dumps(merged[k])}" for k in sorted(merged))
    BASELINE.write_text(f'{{\n "schema": 1,\n "rows": [\n{text}\n ]\n}}\n', "utf-8")


def check(rows: list[dict[str, Any]], console: Console) -> int:
    """Prints what differs from the baseline; 1 when something grew too much."""
    findings = compare(rows, baseline())
    for finding in findings:
        console.print(f"{'[red]worse[/red]' if finding.failed else 'differs'}  {finding.text}")
    failed = any(f.failed for f in findings)
    if failed:
        console.print("when this is meant: --write, and commit bench.json with the change")
    elif not findings:
        console.print("as in bench.json")
    return int(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="only this model (repeatable)")
    parser.add_argument("--board", action="append", default=[], help="only this board (repeatable)")
    parser.add_argument("--layers", action="store_true", help="also a table per layer")
    parser.add_argument("--check", action="store_true", help="compare with bench.json; fail when a figure grew by 2 %%")
    parser.add_argument("--write", action="store_true", help="put the rows into bench.json (a full run always does)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    with tempfile.TemporaryDirectory(prefix="mcu-gen-bench-") as folder:
        return bench(args, models(args.model, Path(folder)), console)


def bench(args: argparse.Namespace, chosen: dict[str, Path], console: Console) -> int:
    """Measures, prints and compares as the arguments say; the exit status."""
    missing = sorted(set(args.model or MODELS) - set(chosen))
    if missing:
        console.print(f"not on this machine, left out: {', '.join(missing)} (looked in {SHARED / 'models'})")
    jobs = [(n, p, b) for n, p in chosen.items() for b in (args.board or BOARDS)]
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda job: attempt(job, console, per_layer=args.layers), jobs))
    rows = [row for row in results if row is not None]
    failed = len(rows) < len(jobs)
    show(rows, json.loads((HERE / "peers.json").read_text("utf-8")), console)
    if args.layers:
        for row in rows:
            show_layers(row, console)
    plain = [{k: v for k, v in asdict(r).items() if k != "layers"} for r in rows]
    if args.check:
        return max(check(plain, console), int(failed))
    if args.write or not (args.model or args.board or missing):
        write(plain)
        console.print(f"wrote {BASELINE}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
