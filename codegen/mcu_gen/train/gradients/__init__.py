"""The gradient rule of every operator that can be trained through, by family; importing it registers all rules."""

from mcu_gen.train.gradients import (  # noqa: F401
    activation,
    elementwise,
    half,
    movement,
    normalization,
    pooling,
    product,
    reduction,
    resize,
    weighted,
)
from mcu_gen.train.gradients.rules import Parameter, backward, parameters, refusal, rule, trainable_operators

__all__ = ["Parameter", "backward", "parameters", "refusal", "rule", "trainable_operators"]
