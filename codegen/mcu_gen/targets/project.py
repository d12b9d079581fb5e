"""The board's part of a generated project: linker script, PlatformIO platform, HAL, tests.

Nothing here depends on the network except its C prefix and the data of the smoke test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from mcu_gen.errors import UsageError
from mcu_gen.resources import resource_dir
from mcu_gen.targets.target import Target

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class SmokeTest:
    """One sample with the result that the reference computed: raw bytes per graph input and per graph output."""

    inputs: Sequence[bytes]
    outputs: Sequence[bytes]
    #: Largest absolute difference that still passes, per output; None asks for equal bytes (integer outputs).
    #: A number is only for float32 outputs.
    tolerances: Sequence[float | None] = field(default=())


@dataclass(frozen=True)
class ProjectOptions:
    """What of a generated project the board's files need to know.

    Attributes:
        net: C prefix of the network.
        stack_bytes: reserved stack, a multiple of 16; None takes the board's.
        max_ram: length of the RAM region in bytes; None takes the board's.
        smoke: the stored sample of ``pio test``; None leaves ``test/`` out.
        header_note: appended to the comment at the top of generated files (tool version, model hash; no time, no path).
        test_timeout: seconds after which ``pio test`` gives up on an emulator.
    """

    net: str
    stack_bytes: int | None = None
    max_ram: int | None = None
    smoke: SmokeTest | None = None
    header_note: str = ""
    test_timeout: int = 120


def project_files(target: Target, options: ProjectOptions) -> dict[str, bytes]:
    """The board's files of a generated project: path relative to the project -> content.

    These are ``platformio.ini``, ``ld/``, ``platform/``, ``lib/mcu_runtime/`` (HAL, runtime and link of
    ``firmware/``) and ``test/``.  The result depends on the arguments only.

    Raises:
        UsageError: ``max_ram`` is more than the board has, or smaller than the stack.
    """
    templates = resource_dir("templates") / "project"
    variables = _variables(target, options)
    files = {
        "platformio.ini": _render(templates / "platformio.ini.j2", variables),
        f"ld/{target.name}.ld": _render(templates / "ld" / "board.ld.j2", variables),
        f"platform/boards/{target.name}.json": (json.dumps(target.manifest, indent=2) + "\n").encode(),
    }
    for path in sorted((templates / "platform").rglob("*")):
        if path.suffix in (".py", ".json"):
            files[f"platform/{path.relative_to(templates / 'platform').as_posix()}"] = path.read_bytes()
    files |= runtime_files(target, variables)
    if options.smoke is not None:
        files["test/test_custom_runner.py"] = (templates / "test" / "test_custom_runner.py").read_bytes()
        smoke = templates / "test" / "test_smoke" / "test_main.c.j2"
        files["test/test_smoke/test_main.c"] = _render(smoke, variables)
    return files


def runtime_files(target: Target, variables: Mapping[str, Any]) -> dict[str, bytes]:
    """``lib/mcu_runtime``: public headers in ``include/``, sources by origin in ``src/``."""
    firmware = resource_dir("firmware")
    root = "lib/mcu_runtime"
    files = {f"{root}/library.json": (resource_dir("templates") / "project" / "library.json").read_bytes()}
    for room in ("runtime", "link"):
        for path in sorted((firmware / room).glob("*.[ch]")):
            place = "include" if path.suffix == ".h" else f"src/{room}"
            files[f"{root}/{place}/{path.name}"] = path.read_bytes()
    hal = firmware / "hal"
    files[f"{root}/include/hal.h"] = (hal / "hal.h").read_bytes()
    files[f"{root}/src/hal/hal_port.h"] = (hal / "hal_port.h").read_bytes()
    board = resource_dir("templates") / "project" / "hal" / "hal_board.h.j2"
    files[f"{root}/src/hal/hal_board.h"] = _render(board, variables)
    for name in target.settings["hal"]["sources"]:
        source = hal / name
        # uart/nrf52.c becomes uart_nrf52.c: all in one folder, so that they find their private headers
        files[f"{root}/src/hal/{name.replace('/', '_')}"] = source.read_bytes()
        _private_headers(source, f"{root}/src/hal", files)
    return files


def _private_headers(source: Path, place: str, files: dict[str, bytes]) -> None:
    for name in _INCLUDE.findall(source.read_text(encoding="utf-8")):
        header = source.parent / name
        if header.is_file() and f"{place}/{name}" not in files:
            files[f"{place}/{name}"] = header.read_bytes()
            _private_headers(header, place, files)


def _variables(target: Target, options: ProjectOptions) -> dict[str, Any]:
    ram = target.region("ram")
    stack = target.stack_bytes if options.stack_bytes is None else options.stack_bytes
    length = ram.size if options.max_ram is None else options.max_ram
    if length > ram.size:
        raise UsageError(
            f"{length} bytes of RAM were asked for, region {ram.name!r} of {target.name} has {ram.size}", where="--max-ram"
        )
    if stack % 16 or length < stack:
        raise UsageError(f"a stack of {stack} bytes (a multiple of 16) must fit into {length} bytes", where="--max-ram")
    vectors = target.settings.get("vectors")
    return {
        "board": target.name,
        "title": target.title,
        "net": options.net,
        "header_note": f"  {options.header_note}" if options.header_note else "",
        "flash": target.region("flash"),
        "ram": ram,
        "ram_length": length,
        "harness": target.region_or_none("harness"),
        "vectors": vectors and {"base": int(str(vectors["base"]), 0), "size": int(str(vectors["size"]), 0)},
        "stack_bytes": stack,
        "hal_defines": target.settings["hal"]["defines"],
        "emulated": bool(target.emulators),
        "vendor_platform": target.settings.get("vendor_platform"),
        "test_timeout": options.test_timeout,
        "smoke": options.smoke,
    }


def _render(path: Path, variables: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(path.read_text(encoding="utf-8")).render(variables).encode()
