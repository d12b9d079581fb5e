"""What the TFLite int8 specification asks of every operator, and which tensors must share a scale because of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcu_gen.graph import DType, Graph, Op, QuantParams

#: Convolutions and matrix products: int8 weights (symmetric), int32 bias.  Value: quantized axis of the weights.
WEIGHTED = {"conv2d": 0, "depthwise_conv2d": 3, "fully_connected": 0}

#: Output as wide as the values themselves.
FREE = frozenset(
    ("add", "sub", "mul", "mean", "relu", "relu6", "relu_n1_to_1", "leaky_relu", "hard_swish")
)  # fmt: skip

#: Codes are copied or compared: activations in and out have one scale and zero point.
SAME_SCALE = frozenset(
    (
        "reshape", "squeeze", "expand_dims", "transpose", "slice", "strided_slice", "pad", "concatenation",
        "resize_nearest_neighbor", "max_pool2d", "average_pool2d",
    )
)  # fmt: skip

#: Outputs whose scale and zero point the specification fixes.
FIXED = {"softmax": (1 / 256, -128), "logistic": (1 / 256, -128), "tanh": (1 / 128, 0)}

SUPPORTED = frozenset((*WEIGHTED, *FREE, *SAME_SCALE, *FIXED))


def activation_inputs(op: Op, graph: Graph) -> list[str]:
    """The float inputs of ``op`` that become int8 activations (weights and biases are not among them)."""
    names = op.inputs[:1] if op.type in WEIGHTED else op.inputs
    return [n for n in names if n is not None and graph.tensors[n].dtype is DType.FLOAT32]


def activation_tensors(graph: Graph) -> list[str]:
    """All float tensors that become int8 activations: inputs, results, and constants that are no weights."""
    names = [n for n in graph.inputs if graph.tensors[n].dtype is DType.FLOAT32]
    for op in graph.ops:
        names += activation_inputs(op, graph)
        names += [n for n in op.outputs if graph.tensors[n].dtype is DType.FLOAT32]
    return list(dict.fromkeys(names))


def fixed_output(op: Op) -> QuantParams | None:
    """Scale and zero point of the output where the specification fixes them."""
    return QuantParams.per_tensor(*FIXED[op.type]) if op.type in FIXED else None


@dataclass(frozen=True)
class Scales:
    """Which tensors share a scale.

    Attributes:
        groups: activation tensor -> its group, named after its first member.
        rescaled: group -> tensors that enter it from outside through a QUANTIZE: a softmax, say, whose scale is fixed
            and which is concatenated with something of another range.
    """

    groups: dict[str, str]
    rescaled: dict[str, list[str]]


def scales(graph: Graph) -> Scales:
    """The groups that the operators with one scale for input and output make."""
    joined = _joined(graph, frozenset())
    conflicts = frozenset(_conflicts(graph, joined))
    groups = _joined(graph, conflicts)
    rescaled: dict[str, list[str]] = {}
    for op in graph.ops:
        if op.type in SAME_SCALE and op.outputs[0] in groups:
            entering = [n for n in activation_inputs(op, graph) if n in conflicts]
            rescaled.setdefault(groups[op.outputs[0]], []).extend(entering)
    return Scales(groups, rescaled)


def _joined(graph: Graph, apart: frozenset[str]) -> dict[str, str]:
    """Union of the inputs and output of every operator with one scale, without the inputs in ``apart``."""
    parent = {name: name for name in activation_tensors(graph)}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for op in graph.ops:
        if op.type in SAME_SCALE:
            inputs = [n for n in activation_inputs(op, graph) if n not in apart]
            members = [n for n in (*inputs, *op.outputs) if n in parent]
            for other in members[1:]:
                parent[root(other)] = root(members[0])
    return {name: root(name) for name in parent}


def _conflicts(graph: Graph, groups: Mapping[str, str]) -> list[str]:
    """Tensors with a fixed scale in a group that another tensor brings other values into."""
    producers = {n: op for op in graph.ops for n in op.outputs}
    sources: dict[str, list[str]] = {}
    for name, group in groups.items():
        if name not in producers or producers[name].type not in SAME_SCALE:
            sources.setdefault(group, []).append(name)
    out: list[str] = []
    for members in sources.values():
        kinds = {n: FIXED.get(producers[n].type) if n in producers else None for n in members}
        if len(set(kinds.values())) > 1:
            out += [n for n in members if kinds[n] is not None]
    return out
