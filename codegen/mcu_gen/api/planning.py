"""Plans: the options that shape one, the plan itself, and the front of RAM against arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mcu_gen.kernels
import mcu_gen.ops  # noqa: F401  (registers the operators)
from mcu_gen import frontends
from mcu_gen.emit.project import input_form
from mcu_gen.errors import UsageError
from mcu_gen.graph import Graph
from mcu_gen.passes import run_passes
from mcu_gen.plan.planner import make_plan
from mcu_gen.plan.planner import pareto as make_pareto
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target, load_target
from mcu_gen.train import make_training_graph, parse_spec

INPUT_MODES = ("auto", "keep", "rows")

#: Costs of interest in a front, percent of the network's multiply-accumulates: next to nothing, little, any.
_BUDGETS = (1.0, 10.0, float("inf"))


@dataclass(frozen=True)
class PlanOptions:
    """What shapes a plan.

    Attributes:
        max_ram: bytes that arena and stack may take together; the board's RAM region when None.
        max_mac_overhead: percent of multiply-accumulates that may be done a second time.
        fuse: whether layers may run tile by tile.
        input_mode: ``keep`` the input whole in RAM, have the caller push its ``rows``, or ``auto``: keep where it fits.
        train: what the firmware learns on the device (see :func:`mcu_gen.train.parse_spec`); "" for inference alone.
            Layers of which the backward pass reads nothing may be fused; the rest runs layer by layer.
        max_flash: bytes that weights and tables may take; layers keep their weights as int16 where that saves
            instructions, as far as the limit allows.  None: all weights keep their 8 bits.
    """

    max_ram: int | None = None
    max_mac_overhead: float | None = None
    fuse: bool = True
    input_mode: str = "auto"
    train: str = ""
    max_flash: int | None = None

    def __post_init__(self) -> None:
        if self.input_mode not in INPUT_MODES:
            raise UsageError(
                f"unknown input mode {self.input_mode!r}", where="--input", hints=[f"use {', '.join(INPUT_MODES)}"]
            )
        if self.max_mac_overhead is not None and not 0 <= self.max_mac_overhead < float("inf"):
            raise UsageError(
                f"{self.max_mac_overhead:g} is no percentage of extra work", where="--max-mac-overhead",
                hints=["0 allows no multiply-accumulate twice, 10 allows a tenth more of them"],
            )  # fmt: skip

    def recorded(self) -> dict[str, str]:
        """The options that differ from their defaults, as the command line writes them."""
        found = {} if self.max_ram is None else {"max-ram": str(self.max_ram)}
        found |= {} if self.max_mac_overhead is None else {"max-mac-overhead": f"{self.max_mac_overhead:g}"}
        found |= {} if self.input_mode == "auto" else {"input": self.input_mode}
        found |= {"train": self.train} if self.train else {}
        found |= {} if self.max_flash is None else {"max-flash": str(self.max_flash)}
        return found | ({} if self.fuse else {"no-fuse": ""})


def load(path: str | Path) -> Graph:
    """Reads a model (.tflite, .keras, .h5, SavedModel) and runs the exact rewrites of ``passes/``.

    Raises:
        ModelFileError: the file cannot be read.
        UnsupportedModelError: with every reason at once.
    """
    return run_passes(frontends.load(path))


def _inputs(model: Graph | str | Path, board: Target | str, train: str = "") -> tuple[Graph, Target]:
    graph = model if isinstance(model, Graph) else load(model)
    if train:
        graph = make_training_graph(graph, parse_spec(train))
    return graph, board if isinstance(board, Target) else load_target(board)


def plan(
    model: Graph | str | Path,
    board: Target | str,
    *,
    max_ram: int | None = None,
    max_mac_overhead: float | None = None,
    fuse: bool = True,
    input_mode: str = "auto",
    train: str = "",
    max_flash: int | None = None,
) -> Plan:
    """The memory and execution plan of a model on a board.

    Args:
        model: a graph or the path of a model.
        board: a target, a board name, or the path of a board manifest.
        max_ram, max_mac_overhead, fuse, input_mode, train, max_flash: see :class:`PlanOptions`.

    Raises:
        DoesNotFitError: with the smallest RAM that would do, and its cost.
        UnsupportedModelError: ``input_mode`` is ``rows``, and the model's input cannot be streamed.
    """
    return plan_with(model, board, PlanOptions(max_ram, max_mac_overhead, fuse, input_mode, train, max_flash))


def plan_with(model: Graph | str | Path, board: Target | str, options: PlanOptions) -> Plan:
    """:func:`plan` with its options in one object."""
    graph, target = _inputs(model, board, options.train)
    return make_plan(
        graph, target, max_ram=options.max_ram, max_mac_overhead=options.max_mac_overhead, fuse=options.fuse,
        input_mode=options.input_mode, max_flash=options.max_flash,
    )  # fmt: skip


def pareto(
    model: Graph | str | Path,
    board: Target | str,
    *,
    fuse: bool = True,
    input_mode: str = "auto",
    train: str = "",
    max_flash: int | None = None,
) -> list[Plan]:
    """All plans of which none is better in RAM and in multiply-accumulates, the fastest first.

    Plans that are too large for the board are among them; plans with more weights and tables than ``max_flash`` are
    not.  All have the same weights in 16 bits, those that fit ``max_flash`` layer by layer.

    Raises:
        DoesNotFitError: weights of 8 bits alone exceed ``max_flash``, or with ``max_flash`` the board's flash.
    """
    options = PlanOptions(fuse=fuse, input_mode=input_mode, train=train, max_flash=max_flash)
    graph, target = _inputs(model, board, options.train)
    return make_pareto(graph, target, fuse=options.fuse, input_mode=options.input_mode, max_flash=options.max_flash)


def front_data(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """A front as plain data: the key ``pareto``.  Sizes in bytes; ``input``: see :func:`mcu_gen.api.input_form`."""
    return [
        {
            "ram_bytes": p.ram_bytes,
            "arena_bytes": p.arena_bytes,
            "flash_bytes": p.constant_bytes,
            "macs": p.base_macs + p.extra_macs,
            "extra_macs": p.extra_macs,
            "macs_overhead_pct": p.macs_overhead_pct,
            "copied_bytes": sum(s.copied_bytes for s in p.segments),
            "segments": len(p.segments),
            "input": input_form(p),
        }
        for p in plans
    ]


def worth_trying(front: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The few limits of fronts that tell their story, the largest first, each with ``max_ram`` and ``why``.

    These are the smallest plans that hold the input, and the smallest ones at all, at next to no extra arithmetic, at
    little, and at any.
    """
    found: dict[int, dict[str, Any]] = {}
    for forms, what in ((("keep", "quantized"), "input kept"), (("keep", "quantized", "rows"), "")):
        for budget in _BUDGETS:
            fitting = [p for p in front if p["input"] in forms and p["macs_overhead_pct"] <= budget]
            best = min(fitting, key=lambda p: p["ram_bytes"], default=None)
            if best is None or best["ram_bytes"] in found:
                continue
            cost = "whatever it costs" if budget == float("inf") else f"at most {budget:g} % more MACs"
            why = f"the least RAM{', ' + what if what else ''}, {cost}"
            found[best["ram_bytes"]] = {**best, "max_ram": best["ram_bytes"], "why": why}
    layers = [p for p in front if not p["segments"]]
    found = {ram: p for ram, p in found.items() if all(ram < whole["ram_bytes"] for whole in layers)}
    return sorted(found.values(), key=lambda p: -p["ram_bytes"])
