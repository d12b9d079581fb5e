"""The board's part of a generated project: linker script, PlatformIO platform, HAL, tests.

Nothing here depends on the network except its C prefix and the data of the smoke test.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mcu_gen.errors import UsageError
from mcu_gen.resources import resource_dir
from mcu_gen.targets.target import FLASH_DRIVERS, Target

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)

#: What the link server's buffers may need at most.
_HARNESS_BYTES = 4096

#: Where the runtime, the link server and the HAL go.
RUNTIME = "lib/mcu_runtime"


def project_files(
    target: Target,
    *,
    net: str,
    origin: Sequence[str],
    stack_bytes: int | None = None,
    max_ram: int | None = None,
    arena_bytes: int = 0,
    learns: bool = False,
    test_inputs: Sequence[np.ndarray] = (),
    test_outputs: Sequence[np.ndarray] = (),
    test_timeout: int = 120,
) -> dict[str, str]:
    """The board's files of a generated project: path relative to the project -> text.

    These are ``platformio.ini``, ``ld/``, ``platform/``, ``lib/mcu_runtime/library.json`` with the HAL beside it, and
    ``test/``.  The result depends on the arguments only.

    Args:
        target: the board.
        net: C prefix of the network.
        origin: lines for the comment at the top of generated files; no time, no path.
        stack_bytes: reserved stack, a multiple of 16; the board's when None.
        max_ram: length of the RAM region in bytes; the board's when None.
        arena_bytes: size of the arena, for the comment in the linker script.
        learns: whether the firmware may keep weights in the board's region for them: it then has the driver of the
            flash, and the linker keeps the program out of that region.
        test_inputs: one sample for ``pio test``, one array per graph input; no test is written without.
        test_outputs: the reference's outputs for it.  Integer outputs must be equal, float32 outputs must agree to
            1e-4 of their largest magnitude.
        test_timeout: seconds after which ``pio test`` gives up on an emulator.

    Raises:
        UsageError: ``max_ram`` is more than the board has, or smaller than the stack.
    """
    stack, length = _ram_layout(target, stack_bytes, max_ram)
    vectors = target.settings.get("vectors")
    variables = {
        "board": target.name,
        "title": target.title,
        "net": net,
        "origin": list(origin),
        "flash": target.program_flash(learns),
        "store": target.region_or_none("store") if learns else None,
        "ram": target.region("ram"),
        "ram_length": length,
        "harness": target.region_or_none("harness"),
        "vectors": vectors and {"base": int(str(vectors["base"]), 0), "size": int(str(vectors["size"]), 0)},
        "spare_bytes": _spare(target, length),
        "stack_bytes": stack,
        "arena_bytes": arena_bytes,
        "hal_defines": target.settings["hal"]["defines"],
        "tick_kind": str(target.settings["tick"]["kind"]).upper(),
        "ticks_per_ms": int(target.settings["tick"].get("per_second", 0)) // 1000,
        "emulated": bool(target.emulators),
        "vendor_platform": target.settings.get("vendor_platform"),
        "test_timeout": test_timeout,
        "test_inputs": [np.ascontiguousarray(x).tobytes() for x in test_inputs],
        "test_outputs": [np.ascontiguousarray(y).tobytes() for y in test_outputs],
        "tolerances": [_tolerance(y) for y in test_outputs],
    }
    templates = resource_dir("templates") / "project"
    files = {
        "platformio.ini": _render("platformio.ini.j2", variables),
        f"ld/{target.name}.ld": _render("ld/board.ld.j2", variables),
        f"platform/boards/{target.name}.json": json.dumps(target.manifest, indent=2) + "\n",
        f"{RUNTIME}/library.json": (templates / "library.json").read_text("utf-8"),
        f"{RUNTIME}/hal/hal_board.h": _render("hal/hal_board.h.j2", variables),
    }
    for path in sorted((templates / "platform").rglob("*")):
        if path.suffix in (".py", ".json"):
            name = path.relative_to(templates / "platform").as_posix()
            files[f"platform/{name}"] = path.read_text("utf-8")
    files |= hal_files(target, learns=learns)
    if test_inputs:
        files["test/test_custom_runner.py"] = (templates / "test" / "test_custom_runner.py").read_text("utf-8")
        files["test/test_smoke/test_main.c"] = _render("test/test_smoke/test_main.c.j2", variables)
    return files


def hal_files(target: Target, *, learns: bool = False) -> dict[str, str]:
    """The HAL of a board: its public headers beside the runtime's, everything else in ``hal/``.

    ``uart/nrf52.c`` becomes ``hal/uart_nrf52.c``: in one folder the sources find their private headers.
    """
    hal = resource_dir("firmware") / "hal"
    files = {f"{RUNTIME}/{name}": (hal / name).read_text("utf-8") for name in ("hal.h", "hal_section.h", "mcu_flash.h")}
    files[f"{RUNTIME}/hal/hal_port.h"] = (hal / "hal_port.h").read_text("utf-8")
    sources = [n for n in target.settings["hal"]["sources"] if learns or not n.startswith(FLASH_DRIVERS)]
    if learns and target.region_or_none("store") is None:
        sources.append(f"{FLASH_DRIVERS}none.c")
    for name in sources:
        source = hal / name
        files[f"{RUNTIME}/hal/{name.replace('/', '_')}"] = source.read_text("utf-8")
        _private_headers(source, files)
    return files


def _private_headers(source: Path, files: dict[str, str]) -> None:
    for name in _INCLUDE.findall(source.read_text("utf-8")):
        header = source.parent / name
        if header.is_file() and f"{RUNTIME}/hal/{name}" not in files:
            files[f"{RUNTIME}/hal/{name}"] = header.read_text("utf-8")
            _private_headers(header, files)


def _ram_layout(target: Target, stack_bytes: int | None, max_ram: int | None) -> tuple[int, int]:
    ram = target.region("ram")
    stack = target.stack_bytes if stack_bytes is None else stack_bytes
    length = ram.size if max_ram is None else max_ram
    if length > ram.size:
        raise UsageError(
            f"{length} bytes of RAM were asked for, region {ram.name!r} of {target.name} has {ram.size}",
            where="--max-ram",
        )
    if stack <= 0 or stack % 16 or length < stack:
        raise UsageError(f"a stack of {stack} bytes (a multiple of 16) must fit into {length} bytes", where="--max-ram")
    return stack, length


def _spare(target: Target, length: int) -> int:
    """RAM beyond a ``max_ram``, for the link server's buffers on a board without a harness region; 0 when too small."""
    rest = target.region("ram").size - length
    return rest if rest >= _HARNESS_BYTES else 0


def _tolerance(expected: np.ndarray) -> str:
    """As a C expression; negative asks for equal bytes."""
    if expected.dtype != np.float32:
        return "-1.0f"
    largest = float(np.max(np.abs(expected), initial=1e-3))
    return f"(float){1e-4 * largest:.9e}"


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates") / "project"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _render(template: str, variables: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(variables)
