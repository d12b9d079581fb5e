"""Kernels of the optimizers, and of the few numbers that steer a training step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mcu_gen.graph import Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import (
    ELEMENTS,
    Argument,
    Array,
    Call,
    CFloat,
    In,
    InputList,
    Kernel,
    Out,
    Value,
    kernel,
    variants,
)
from mcu_gen.kernels.training import Float32
from mcu_gen.ops.batch_end import FIRST_SUM
from mcu_gen.ops.loss_scale_update import LEAST, MOST, PATIENCE
from mcu_gen.ops.optimizer_adam import BETA1, BETA2, EPSILON
from mcu_gen.targets import Target


@kernel
class StepSizeF32(Float32):
    """Two numbers."""

    name = "step_size_f32"
    ops = ("step_size",)

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        del node
        return {"call": 1}

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"decay": CFloat(float(np.float32(node.float_attr("decay"))))}, (In(0), In(1), Out(0)))


@kernel
class ScaleGradientF32(Float32):
    """Element by element."""

    name = "scale_gradient_f32"
    ops = ("scale_gradient",)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.y.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"elements": node.y.elements}, (In(0), In(1), Out(0)))


class Steering(Kernel):
    """A kernel that takes any node of its operators."""

    def rejects(self, node: Node, target: Target) -> str | None:
        del node, target
        return None

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return {"call": 1, "element": sum(t.elements for t in node.inputs if t is not None)}


@kernel
class LossScaleUpdateF32(Steering):
    """In place."""

    name = "loss_scale_update_f32"
    ops = ("loss_scale_update",)

    def call(self, node: Node, target: Target) -> Call:
        del node, target
        fields: dict[str, Value] = {"patience": PATIENCE, "least": CFloat(LEAST), "most": CFloat(MOST)}
        return Call(fields, (In(0), In(1), Out(0), Out(1)))


@kernel
class BatchEndF32(Steering):
    """The squares of all gradients are summed up in order, at the end of a batch only."""

    name = "batch_end_f32"
    ops = ("batch_end",)

    def call(self, node: Node, target: Target) -> Call:
        del target
        sums = range(FIRST_SUM, len(node.inputs))
        return Call(
            {
                "batch": node.int_attr("batch"),
                "share": CFloat(float(np.float32(1 / node.int_attr("batch")))),
                "clip": CFloat(float(np.float32(node.float_attr("clip")))),
                "sums": len(sums),
                "elements": Array(np.array([node.input(i).elements for i in sums], np.uint32), "elements"),
            },
            (In(0), In(1), In(4), In(5), InputList(tuple(sums)), *(Out(i) for i in range(5))),
        )


@kernel
class AdamStepF32(Steering):
    """Two numbers."""

    name = "adam_step_f32"
    ops = ("adam_step",)

    def call(self, node: Node, target: Target) -> Call:
        del node, target
        fields: dict[str, Value] = {"beta1": CFloat(_f32(BETA1)), "beta2": CFloat(_f32(BETA2))}
        return Call(fields, (In(0), In(1), Out(0), Out(1)))


def _f32(value: float) -> float:
    return float(np.float32(value))


class Optimizer(Kernel):
    """Element by element; sum, weights, moments and the state of the random generator are kept in place."""

    moments: ClassVar[int] = 0

    def rejects(self, node: Node, target: Target) -> str | None:
        del target
        w = node.input(3)
        return None if w.dtype is ELEMENTS[self.elements["w"]] else f"weights are {w.dtype.value}"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.x.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        args: tuple[Argument, ...] = (In(1), In(2), *(Out(i) for i in range(3 + self.moments)))
        return Call({"elements": node.x.elements, **self.settings(node)}, args)

    def settings(self, node: Node) -> dict[str, Value]:
        """Fields beyond the number of elements."""
        del node
        return {}


_WEIGHTS = (("f32", "f32"), ("f16", "f16"))


@variants(*_WEIGHTS)
class OptimizerSgd(Optimizer):
    """w += step * factor * sum."""

    name = "optimizer_sgd"
    ops = ("optimizer_sgd",)


@variants(*_WEIGHTS)
class OptimizerMomentum(Optimizer):
    """One moment."""

    name = "optimizer_momentum"
    ops = ("optimizer_momentum",)
    moments = 1

    def settings(self, node: Node) -> dict[str, Value]:
        return {"momentum": CFloat(_f32(node.float_attr("momentum")))}


@variants(*_WEIGHTS)
class OptimizerAdam(Optimizer):
    """Two moments, a division and a square root per element."""

    name = "optimizer_adam"
    ops = ("optimizer_adam",)
    moments = 2

    def settings(self, node: Node) -> dict[str, Value]:
        del node
        rest = {"rest1": 1 - BETA1, "rest2": 1 - BETA2, "epsilon": EPSILON}
        return {name: CFloat(_f32(value)) for name, value in rest.items()}
