"""Boards as data: what a target offers to kernels, planner, build and emulators."""

from mcu_gen.targets.load import check_manifest, list_targets, load_target, read_manifest
from mcu_gen.targets.project import project_files
from mcu_gen.targets.target import FEATURES, Region, Target
from mcu_gen.targets.timing import EVENTS, TIMED, Timing, timing_of

__all__ = [
    "EVENTS",
    "FEATURES",
    "TIMED",
    "Region",
    "Target",
    "Timing",
    "check_manifest",
    "list_targets",
    "load_target",
    "project_files",
    "read_manifest",
    "timing_of",
]
