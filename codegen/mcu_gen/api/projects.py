"""Generated projects: writing one, and reading it again."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu_gen.api.planning import PlanOptions, plan_with
from mcu_gen.api.samples import TensorSpec
from mcu_gen.emit.network import Provenance, saved_tensors
from mcu_gen.emit.project import Project, ProjectOptions, write_project
from mcu_gen.emit.tree import MARKER
from mcu_gen.errors import UsageError
from mcu_gen.graph import Graph
from mcu_gen.plan.types import Plan
from mcu_gen.targets import Target
from mcu_gen.version import __version__

#: Bytes of a slot of the store that are not the image's, at most (``mcu_store.c``: nine words of 32 bytes, a header).
STORE_OVERHEAD = 320


def generate(
    model: Graph | str | Path,
    board: Target | str,
    out: str | Path,
    *,
    max_ram: int | None = None,
    max_mac_overhead: float | None = None,
    fuse: bool = True,
    input_mode: str = "auto",
    train: str = "",
    max_flash: int | None = None,
    name: str | None = None,
) -> Project:
    """Writes a complete PlatformIO project to the folder ``out``, whole or not at all.

    Args:
        model, board: as for :func:`mcu_gen.api.plan`.
        out: the folder.
        max_ram, max_mac_overhead, fuse, input_mode, train, max_flash: see :class:`mcu_gen.api.PlanOptions`.
        name: name of the network; the model's file name when left out.

    Raises:
        DoesNotFitError: see :func:`mcu_gen.api.plan`.
        UsageError: ``out`` holds somebody else's files or cannot be written.
    """
    options = PlanOptions(max_ram, max_mac_overhead, fuse, input_mode, train, max_flash)
    return write(plan_with(model, board, options), out, options=options, name=name)


def write(made: Plan, out: str | Path, *, options: PlanOptions | None = None, name: str | None = None) -> Project:
    """:func:`generate` for a plan that is made already; ``options`` are those that it was made with."""
    options = options or PlanOptions(max_ram=made.max_ram, max_flash=made.max_flash)
    recorded = options.recorded()
    return write_project(made, Path(out), _provenance(made, recorded), ProjectOptions(name, recorded))


def _provenance(made: Plan, options: Mapping[str, str]) -> Provenance:
    """What generated files say about their origin."""
    text = " ".join([f"--board {made.target.name}", *(f"--{k} {v}".rstrip() for k, v in sorted(options.items()))])
    return Provenance(__version__, made.graph.sha256, text)


def lost_weights(made: Plan) -> str:
    """Why a firmware that learns cannot keep its weights over a power loss; "" where it can, or learns nothing."""
    if made.graph.training is None:
        return ""
    store = made.target.region_or_none("store")
    if store is None:
        return f"{made.target.name} has no flash for weights: what it learns is lost with the power"
    size, room = sum(t.bytes for t in saved_tensors(made.graph)), store.size // 2 - STORE_OVERHEAD
    if size <= room:
        return ""
    return (
        f"the trained weights have {size:,} B, the flash kept for them takes {room:,} B: they are lost with the power"
    )


@dataclass(frozen=True)
class ProjectFile:
    """A generated project as its ``mcu-gen.json`` describes it."""

    dir: Path
    data: Mapping[str, Any]

    @property
    def network(self) -> str:
        """The C prefix of the network."""
        return str(self.data["network"])

    @property
    def board(self) -> str:
        return str(self.data["board"])

    @property
    def inputs(self) -> list[TensorSpec]:
        return [TensorSpec.from_json(t) for t in self.data["inputs"]]

    @property
    def outputs(self) -> list[TensorSpec]:
        return [TensorSpec.from_json(t) for t in self.data["outputs"]]

    @property
    def label(self) -> TensorSpec:
        """The label of a training step.

        Raises:
            UsageError: the project was generated without training.
        """
        if not self.data.get("training"):
            raise UsageError(
                "this project was generated without training", where=str(self.dir),
                hints=["generate it with --train head, --train last:2, --train all..."],
            )  # fmt: skip
        return TensorSpec.from_json(self.data["training"]["label"])

    @property
    def weights(self) -> list[TensorSpec]:
        """The tensors that training changes, in the order of the layers; empty without training."""
        return [TensorSpec.from_json(t) for t in (self.data.get("training") or {"weights": []})["weights"]]

    def record(self, **results: Any) -> None:
        """Adds results of later verbs (``build``, ``profile``, ``validation``) to ``mcu-gen.json``."""
        document = {**self.data, **results}
        path = self.dir / MARKER
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.dir, prefix=".mcu-gen.", delete=False) as file:
                file.write(json.dumps(document, indent=1) + "\n")
            os.chmod(file.name, path.stat().st_mode & 0o777)
            os.replace(file.name, path)
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def open_project(folder: str | Path) -> ProjectFile:
    """Reads the ``mcu-gen.json`` of a generated project.

    Raises:
        UsageError: the folder is no generated project, or of a version that this tool does not read.
    """
    folder = Path(folder)
    path = folder / MARKER
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        what = "there is no such folder" if not folder.is_dir() else f"it holds no {MARKER}"
        raise UsageError(
            f"this is no generated project: {what}", where=str(folder), hints=["make one with `mcu-gen generate`"]
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from None
    needed = ("network", "model", "board", "inputs", "outputs", "layers", "plan", "options", "manifest", "version")
    missing = [key for key in needed if not isinstance(data, dict) or key not in data]
    if missing or data.get("schema") != 1:
        what = (
            f"keys are missing: {', '.join(missing)}"
            if missing
            else f"schema {data.get('schema')!r}, this tool reads 1"
        )
        raise UsageError(what, where=str(path), hints=["generate the project again"])
    return ProjectFile(folder, data)
