"""Training as a graph: forward pass, loss, gradients and updates made of ordinary operators."""

from mcu_gen.train.gradients import trainable_operators
from mcu_gen.train.spec import TrainSpec, parse_spec
from mcu_gen.train.transform import make_training_graph

__all__ = ["TrainSpec", "make_training_graph", "parse_spec", "trainable_operators"]
