"""Finds, reads and checks board manifests."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcu_gen.errors import UsageError
from mcu_gen.resources import resource_dir
from mcu_gen.targets.target import FEATURES, FLASH_DRIVERS, FP16_MODES, REGION_USES, Region, Target

_MAX_ADDRESS = 1 << 32


def board_files() -> list[Path]:
    """The manifests that ship, in the order of their names."""
    return sorted(resource_dir("boards").glob("*.json"))


def list_targets() -> list[Target]:
    """All boards that ship, in the order of their names."""
    return [read_manifest(path) for path in board_files()]


def load_target(name_or_path: str) -> Target:
    """A board by its name, or a user's own by the path of its manifest (which must end in ``.json``).

    Raises:
        UsageError: no such board (with the nearest names), or the manifest is wrong (with everything that is wrong).
    """
    if name_or_path.endswith(".json"):
        return read_manifest(Path(name_or_path))
    files = {path.stem: path for path in board_files()}
    if name_or_path not in files:
        near = difflib.get_close_matches(name_or_path.lower(), files, n=3, cutoff=0.4)
        hints = [f"did you mean {' or '.join(near)}?"] if near else []
        hints.append(f"boards: {', '.join(files)}")
        hints.append("a board of your own: give the path of its .json manifest")
        raise UsageError(f"unknown board {name_or_path!r}", where="--board", hints=hints)
    return read_manifest(files[name_or_path])


def read_manifest(path: Path) -> Target:
    """Read and check one manifest.

    Raises:
        UsageError: the file cannot be read, is no JSON, or breaks the rules; all broken rules are listed at once.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the board manifest: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise UsageError(f"the board manifest is not valid JSON: {error}", where=str(path)) from None
    problems = check_manifest(manifest)
    if problems:
        raise UsageError(
            "the board manifest breaks these rules:\n" + "\n".join(f"  - {problem}" for problem in problems),
            where=str(path),
            hints=["docs/boards.md describes every key"],
        )
    section = manifest["mcu_gen"]
    build = manifest["build"]
    return Target(
        name=path.stem,
        title=section.get("title", manifest["name"]),
        mcu=build["mcu"],
        cpu=build["cpu"],
        features=frozenset(section["features"]),
        simd=tuple(section["simd"]),
        fp16=section["fp16"],
        regions=tuple(_region(r) for r in section["regions"]),
        stack_bytes=section["stack_bytes"],
        emulators=section["emulators"],
        manifest=manifest,
    )


def address(value: object) -> int | None:
    """An address or a size in a manifest: a number, or a string such as ``"0x20000000"``; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(str(value), 0)
    except ValueError:
        return None


def _region(entry: Mapping[str, Any]) -> Region:
    base, size = address(entry["base"]), address(entry["size"])
    assert base is not None  # check_manifest has seen to both
    assert size is not None
    return Region(entry["name"], base, size, entry["use"])


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not (isinstance(value, bool) and kind is int)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def check_manifest(manifest: object) -> list[str]:
    """Everything that is wrong with a manifest, one sentence each; an empty list when it is right."""
    if not isinstance(manifest, dict):
        return ["a manifest is a JSON object"]
    problems = [f"{key!r} must be a text" for key in ("name", "url", "vendor") if not _is(manifest.get(key), str)]
    build, upload, section = (manifest.get(key) for key in ("build", "upload", "mcu_gen"))
    if not isinstance(build, dict):
        problems.append("'build' must be an object")
    else:
        keys = ("arch", "cpu", "mcu", "f_cpu")
        problems += [f"'build.{key}' must be a text" for key in keys if not _is(build.get(key), str)]
    if not isinstance(upload, dict):
        problems.append("'upload' must be an object")
    if not isinstance(section, dict):
        return [*problems, "'mcu_gen' must be an object"]
    problems += _check_abilities(section)
    problems += _check_regions(section.get("regions"))
    problems += _check_hal(section.get("hal"))
    problems += _check_store(section)
    problems += _check_toolchains(section.get("toolchains"))
    problems += _check_emulators(section.get("emulators"))
    if not isinstance(section.get("tick"), dict) or section["tick"].get("kind") not in ("instructions", "cycles", "ns"):
        problems.append("'mcu_gen.tick.kind' must be one of instructions, cycles, ns")
    if not _is(section.get("library", ""), str):
        problems.append("'mcu_gen.library' must be a text: why the network is used as a library there")
    return problems


def _check_abilities(section: Mapping[str, Any]) -> list[str]:
    problems = []
    features = section.get("features")
    if not _strings(features):
        problems.append("'mcu_gen.features' must be a list of texts")
    else:
        unknown = sorted(set(features or ()) - set(FEATURES))
        problems += [f"unknown feature {name!r}; known: {', '.join(FEATURES)}" for name in unknown]
    if not _strings(section.get("simd")):
        problems.append("'mcu_gen.simd' must be a list of texts")
    if section.get("fp16") not in FP16_MODES:
        problems.append(f"'mcu_gen.fp16' is {section.get('fp16')!r}; it must be one of {', '.join(FP16_MODES)}")
    stack = section.get("stack_bytes")
    if not isinstance(stack, int) or isinstance(stack, bool) or stack < 256 or stack % 16:
        problems.append(f"'mcu_gen.stack_bytes' is {stack!r}; it must be a multiple of 16 and at least 256")
    return problems


def _check_regions(regions: object) -> list[str]:
    if not isinstance(regions, list) or not all(isinstance(r, dict) for r in regions):
        return ["'mcu_gen.regions' must be a list of objects"]
    problems = []
    spans: list[tuple[int, int, str]] = []
    stores: list[tuple[int, int, str]] = []
    for index, region in enumerate(regions):
        where = f"region {region.get('name', index)!r}"
        base, size = address(region.get("base")), address(region.get("size"))
        if not _is(region.get("name"), str):
            problems.append(f"{where}: 'name' must be a text")
        if region.get("use") not in REGION_USES:
            problems.append(f"{where}: 'use' is {region.get('use')!r}; it must be one of {', '.join(REGION_USES)}")
        if base is None or size is None or base < 0 or size <= 0 or base + size > _MAX_ADDRESS:
            problems.append(f"{where}: 'base' and 'size' must describe a range inside the 32-bit address space")
        else:
            (stores if region.get("use") == "store" else spans).append((base, base + size, where))
    flash = next((address(r.get("base")) for r in regions if r.get("use") == "flash"), None)
    for start, end, _ in stores[:1]:  # the end of the flash may be kept for the store
        spans = [(a, start if a == flash and a < start and b == end else b, where) for a, b, where in spans]
    if len(stores) > 1:
        problems.append(f"{' and '.join(where for *_, where in stores)}: there is one region with use 'store'")
    spans = sorted([*spans, *stores])
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            problems.append(f"{one} and {other} overlap")
    for use in ("flash", "ram"):
        if not any(r.get("use") == use for r in regions):
            problems.append(f"'mcu_gen.regions' needs a region with use {use!r}")
    return problems


def _check_hal(hal: object) -> list[str]:
    if not isinstance(hal, dict) or not _strings(hal.get("sources")) or not isinstance(hal.get("defines"), dict):
        return ["'mcu_gen.hal' must have 'sources' (a list of files in firmware/hal) and 'defines' (an object)"]
    folder = resource_dir("firmware") / "hal"
    missing = [name for name in hal["sources"] if ".." in name or not (folder / name).is_file()]
    return [f"'mcu_gen.hal.sources': there is no firmware/hal/{name}" for name in missing]


def _check_store(section: Mapping[str, Any]) -> list[str]:
    """A region with use ``store`` and a driver that writes it come together."""
    regions, hal = section.get("regions"), section.get("hal")
    if not isinstance(regions, list) or not isinstance(hal, dict) or not _strings(hal.get("sources")):
        return []  # said elsewhere
    region = any(isinstance(r, dict) and r.get("use") == "store" for r in regions)
    drivers = [name for name in hal["sources"] if name.startswith(FLASH_DRIVERS)]
    if len(drivers) != int(region):
        has = "a region with use 'store'" if region else "no region with use 'store'"
        return [f"the board has {has}, but 'mcu_gen.hal.sources' has {len(drivers)} files of firmware/hal/flash"]
    return []


def _check_toolchains(toolchains: object) -> list[str]:
    if not isinstance(toolchains, dict) or not _strings(toolchains.get("order")) or not toolchains["order"]:
        return ["'mcu_gen.toolchains' must be an object with a list 'order'"]
    problems = []
    for kind in toolchains["order"]:
        settings = toolchains.get(kind)
        needed: Sequence[tuple[str, bool]] = ()
        if kind not in ("gcc", "clang") or not isinstance(settings, dict):
            problems.append(f"'mcu_gen.toolchains.{kind}' must be described, and be gcc or clang")
            continue
        lists = ["apt", "machine_flags", "libs"] + (["programs", "gcc_machine_flags"] if kind == "clang" else [])
        needed = [(key, _strings(settings.get(key))) for key in lists]
        prefix = "prefix" if kind == "gcc" else "sysroot_of"
        needed = [*needed, (prefix, _is(settings.get(prefix), str))]
        problems += [
            f"'mcu_gen.toolchains.{kind}.{key}' is missing or of the wrong type" for key, ok in needed if not ok
        ]
    return problems


def _check_emulators(emulators: object) -> list[str]:
    if not isinstance(emulators, dict):
        return ["'mcu_gen.emulators' must be an object"]
    problems = []
    qemu = emulators.get("qemu")
    if qemu is not None:
        if not isinstance(qemu, dict):
            return ["'mcu_gen.emulators.qemu' must be an object"]
        for key in ("program", "apt", "image_option", "loader_option"):
            if not _is(qemu.get(key), str):
                problems.append(f"'mcu_gen.emulators.qemu.{key}' must be a text")
        for key in ("args", "icount"):
            if not _strings(qemu.get(key)):
                problems.append(f"'mcu_gen.emulators.qemu.{key}' must be a list of texts")
        ratio = qemu.get("instructions_per_tick")
        if not isinstance(ratio, list) or len(ratio) != 2 or not all(isinstance(n, int) and n > 0 for n in ratio):
            problems.append("'mcu_gen.emulators.qemu.instructions_per_tick' must be two positive integers, a fraction")
    return problems
