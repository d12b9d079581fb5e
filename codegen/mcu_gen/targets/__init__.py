"""Boards as data: what a target offers to kernels, planner, build and emulators."""

from mcu_gen.targets.target import Region, Target

__all__ = ["Region", "Target"]
