"""What the build needs to know of a generated project on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu_gen.errors import UsageError


@dataclass(frozen=True)
class ProjectInfo:
    """A generated project: its network's C prefix (None where the project does not say) and its board's manifest."""

    dir: Path
    network: str | None
    board: str
    manifest: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        section: dict[str, Any] = self.manifest["mcu_gen"]
        return section


def read_project(folder: Path) -> ProjectInfo:
    """Read a project folder.

    Raises:
        UsageError: the folder is no generated project.
    """
    hint = ["`mcu-gen generate MODEL --board B -o DIR` writes a project"]
    if not (folder / "platformio.ini").is_file():
        raise UsageError("this is not a generated project: there is no platformio.ini", where=str(folder), hints=hint)
    boards = sorted((folder / "platform" / "boards").glob("*.json"))
    if len(boards) != 1:
        text = f"platform/boards must hold exactly one board manifest, it holds {len(boards)}"
        raise UsageError(text, where=str(folder), hints=hint)
    network = None
    record = folder / "mcu-gen.json"
    try:
        manifest = json.loads(boards[0].read_text(encoding="utf-8"))
        if record.is_file():
            network = json.loads(record.read_text(encoding="utf-8")).get("network")
        if not isinstance(manifest["mcu_gen"], dict):
            raise TypeError("section mcu_gen is no object")
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UsageError(f"a file of the project is damaged: {error}", where=str(folder), hints=hint) from None
    return ProjectInfo(folder, network, boards[0].stem, manifest)
