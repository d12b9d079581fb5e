"""Memory and execution planning: kernels, operator order, fused segments, and arena offsets."""

from mcu_gen.plan.describe import plan_data
from mcu_gen.plan.planner import fronts, make_plan, pareto
from mcu_gen.plan.types import ALIGN, Buffer, Overlap, Plan, Segment, Step, TileTensor

__all__ = ["ALIGN", "Buffer", "Overlap", "Plan", "Segment", "Step", "TileTensor", "fronts", "make_plan", "pareto",
           "plan_data"]  # fmt: skip
