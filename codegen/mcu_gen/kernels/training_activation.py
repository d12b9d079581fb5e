"""Kernels of the gradients of activation functions, one for each function."""

from __future__ import annotations

from mcu_gen.graph import Node
from mcu_gen.kernels.common import loop_work
from mcu_gen.kernels.contract import Call, CFloat, In, Out, Value, halves, kernel
from mcu_gen.kernels.training import Float32
from mcu_gen.targets import Target


class _ActivationGrad(Float32):
    """Element by element, in place of either input."""

    ops = ("activation_grad",)
    function: str

    def rejects(self, node: Node, target: Target) -> str | None:
        if node.str_attr("activation") != self.function:
            return f"the function is {node.str_attr('activation')}"
        return super().rejects(node, target)

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        del node, target
        return {(0, 0): 0, (1, 0): 0}

    def work(self, node: Node, target: Target) -> dict[str, float]:
        del target
        return loop_work(node.y.elements)

    def call(self, node: Node, target: Target) -> Call:
        del target
        return Call({"elements": node.y.elements, **self.options(node)}, (In(0), In(1), Out(0)))

    def options(self, node: Node) -> dict[str, Value]:
        """Fields that say more about the function."""
        del node
        return {}


@kernel
@halves()
class LeakyReluGradF32(_ActivationGrad):
    """From the input."""

    name = "leaky_relu_grad_f32"
    function = "leaky_relu"

    def options(self, node: Node) -> dict[str, Value]:
        return {"alpha": CFloat(node.float_attr("alpha"))}


@kernel
@halves()
class LogisticGradF32(_ActivationGrad):
    """From the output."""

    name = "logistic_grad_f32"
    function = "logistic"


@kernel
@halves()
class TanhGradF32(_ActivationGrad):
    """From the output."""

    name = "tanh_grad_f32"
    function = "tanh"


@kernel
@halves()
class EluGradF32(_ActivationGrad):
    """From the output."""

    name = "elu_grad_f32"
    function = "elu"


@kernel
@halves()
class HardSwishGradF32(_ActivationGrad):
    """From the input."""

    name = "hard_swish_grad_f32"
    function = "hard_swish"


@kernel
@halves()
class GeluGradF32(_ActivationGrad):
    """From the input."""

    name = "gelu_grad_f32"
    function = "gelu"

    def work(self, node: Node, target: Target) -> dict[str, float]:
        exact = 0 if node.bool_attr("approximate") else node.y.elements
        return super().work(node, target) | {"exact element": exact}

    def options(self, node: Node) -> dict[str, Value]:
        return {"approximate": int(node.bool_attr("approximate"))}
