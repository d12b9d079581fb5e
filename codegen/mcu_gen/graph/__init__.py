"""The intermediate representation and its contract with the operators."""

from mcu_gen.graph.dtype import DType
from mcu_gen.graph.executor import Executor
from mcu_gen.graph.ir import Graph, Node, Op, QuantParams, Replay, Tensor, Training
from mcu_gen.graph.operator import Constraint, Operator, TensorType, Verdict, check, operator, operators, register

__all__ = [
    "Constraint",
    "DType",
    "Executor",
    "Graph",
    "Node",
    "Op",
    "Operator",
    "QuantParams",
    "Replay",
    "Tensor",
    "TensorType",
    "Training",
    "Verdict",
    "check",
    "operator",
    "operators",
    "register",
]
