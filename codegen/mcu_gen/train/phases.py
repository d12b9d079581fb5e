"""What the operators of a training step are for, and which layer of the network they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcu_gen.graph import Graph, Op, operator
from mcu_gen.ops.gradient import Update

#: Phases of a training step, in the order in which a layer goes through them.  Where gradients are applied as they are
#: made, ``weight_gradient`` is the update as well.
PHASES = ("forward", "loss", "input_gradient", "weight_gradient", "update")

#: Operators that move no data: their output is their input in another shape.
_VIEWS = ("reshape", "squeeze", "expand_dims")


#: What the trained inputs of an operator are; weights, where they are not listed.
_ROLES = {2: "bias", 3: "statistics"}


@dataclass(frozen=True)
class Part:
    """What an operator of a training step does.

    Attributes:
        phase: one of :data:`PHASES`.
        layer: the operator of the network that it belongs to; "" for the loss, and for what concerns all layers.
        variable: the trained tensor that it computes the gradient of, or updates; "" for others.
        role: ``weights``, ``bias`` or ``statistics`` (of a normalization), of that tensor in the layer.
    """

    phase: str
    layer: str
    variable: str = ""
    role: str = ""


def parts(graph: Graph) -> dict[str, Part]:
    """What every operator of a graph with a training step does, by name."""
    training = graph.training
    assert training is not None
    owners = {
        n: (op.name, _ROLES.get(index, "weights"))
        for op in reversed(_forward(graph))
        for index, n in enumerate(op.inputs)
        if n in training.trained
    }
    sums = _variables_of_sums(graph)
    found: dict[str, Part] = {op.name: Part("forward", op.name) for op in _forward(graph)}
    behind = graph.ops[len(found) :]
    first = next((i for i, op in enumerate(behind) if op.origin), len(behind))
    for i, op in reversed(list(enumerate(behind))):
        written = [sums.get(n, n) for n in op.outputs if graph.tensors[n].variable]
        variable = next((n for n in written if n in owners), "")
        if written:
            phase = "weight_gradient" if isinstance(operator(op.type), Update) else "update"
            layer, role = owners.get(variable, ("", ""))
            found[op.name] = Part(phase, layer, variable, role)
        elif op.origin:
            found[op.name] = Part("input_gradient", op.origin)
        else:
            found[op.name] = Part("loss", "") if i < first else _of_reader(graph, op, found)
    return found


def _of_reader(graph: Graph, op: Op, found: Mapping[str, Part]) -> Part:
    """What an operator is for that computes something again, or computes a factor: what its only reader does."""
    readers = {found[o.name] for n in op.outputs for o in graph.consumers(n) if o.name in found}
    return readers.pop() if len(readers) == 1 else Part("update", "")


def mode(graph: Graph) -> str:
    """``immediate``: gradients are applied as they are made; ``accumulate``: all gradients first, then all updates."""
    training = graph.training
    assert training is not None
    direct = {n for op in graph.ops if isinstance(operator(op.type), Update) for n in op.outputs}
    return "immediate" if set(training.trained) <= direct else "accumulate"


def optimizer_state(graph: Graph) -> list[str]:
    """Sums of gradients, moments, scales: variables that are neither trained nor the rate nor say what is frozen."""
    training = graph.training
    assert training is not None
    known = {*training.trained, training.rate, training.frozen}
    return [t.name for t in graph.variables() if t.name not in known]


def saved_activations(graph: Graph) -> list[str]:
    """Tensors of the forward pass, the input among them, that the backward pass reads.

    A tensor that is another one in a different shape stands for both.
    """
    forward = _forward(graph)
    source: dict[str, str] = {}
    for op in graph.ops:
        if op.type in _VIEWS and op.inputs[0] is not None:
            source[op.outputs[0]] = source.get(op.inputs[0], op.inputs[0])
    made = {*graph.inference_inputs, *(n for op in forward for n in op.outputs)}
    read = dict.fromkeys(source.get(n, n) for op in graph.ops[len(forward) :] for n in op.inputs if n is not None)
    return [n for n in read if n in made and not graph.tensors[n].variable]


def macs_by_phase(graph: Graph) -> dict[str, int]:
    """Multiply-accumulates of a training step: one figure per phase."""
    total = dict.fromkeys(PHASES, 0)
    of: Mapping[str, Part] = parts(graph)
    for node in graph.nodes():
        total[of[node.name].phase] += operator(node.type).macs(node)
    return total


def gradient_dtype(graph: Graph) -> str:
    """The type in which gradients of activations are stored."""
    training = graph.training
    assert training is not None
    behind = graph.ops[len(_forward(graph)) :]
    types = {graph.tensors[n].dtype.value for op in behind for n in op.outputs}
    return "float16" if "float16" in types else "float32"


def _forward(graph: Graph) -> list[Op]:
    assert graph.training is not None
    names = [op.name for op in graph.ops]
    return graph.ops[: names.index(graph.training.first)]


def _variables_of_sums(graph: Graph) -> dict[str, str]:
    """Sums of gradients -> the trained tensor that an optimizer applies them to."""
    training = graph.training
    assert training is not None
    found = {}
    for op in graph.ops:
        trained = [n for n in op.outputs if n in training.trained]
        if trained and not isinstance(operator(op.type), Update):
            others = [n for n in op.inputs if n is not None and graph.tensors[n].variable and n not in trained]
            found.update(dict.fromkeys(others, trained[0]))
    return found
