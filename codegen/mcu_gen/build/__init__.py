"""Builds generated projects: PlatformIO for boards, the system's compiler for the host."""

from mcu_gen.build.elf import arena_in_map, read_image
from mcu_gen.build.host import build_host
from mcu_gen.build.platformio import BuildResult, build_project
from mcu_gen.build.stack import StackBound, stack_bound
from mcu_gen.build.tools import Check, apt_hint, toolchain_checks
from mcu_gen.build.upload import upload_project

__all__ = [
    "BuildResult",
    "Check",
    "StackBound",
    "apt_hint",
    "arena_in_map",
    "build_host",
    "build_project",
    "read_image",
    "stack_bound",
    "toolchain_checks",
    "upload_project",
]
