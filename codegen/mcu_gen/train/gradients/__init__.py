"""The gradient rule of every operator that can be trained through, by family; importing it registers all rules."""

from mcu_gen.train.gradients import activation, elementwise, movement, pooling, weighted  # noqa: F401
from mcu_gen.train.gradients.rules import backward, refusal, rule, trainable_operators

__all__ = ["backward", "refusal", "rule", "trainable_operators"]
