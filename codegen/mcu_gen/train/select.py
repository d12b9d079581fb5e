"""Which constants of a network a training request means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcu_gen.errors import UsageError
from mcu_gen.graph import Graph, Op
from mcu_gen.graph.names import called, plain
from mcu_gen.train.gradients import Parameter, parameters
from mcu_gen.train.spec import TrainSpec

#: Operators that scale and shift numbers, or change their type or shape: a network may begin with them.
_SCALING = ("add", "sub", "mul", "reshape", "squeeze", "expand_dims", "dequantize", "quantize")


def trained_constants(graph: Graph, spec: TrainSpec) -> list[str]:
    """Names of the constants that ``spec`` asks for, each once, in the order of the layers.

    Layers count where they have weights beyond factors and offsets of channels.  Those belong to what is trained when
    they come behind the first trained layer, or are named; what only scales the network's input must be named.

    Raises:
        UsageError: a layer that is named does not exist or has no weights, or there are fewer layers than asked for.
    """
    own = {op.name: parameters(graph.node(op)) for op in graph.ops}
    found: list[str] = []
    chosen = [] if spec.what == "bias" else _chosen(graph, spec, {name: p for name, p in own.items() if p})
    whole = {op.name for op in chosen}
    biases = spec.what == "bias" or spec.biases
    scaling = scales_input(graph)
    for op in graph.ops:
        for index, kind in own[op.name]:
            name = op.inputs[index]
            wanted = op.name in whole or (biases and kind == "bias" and op.name not in scaling)
            if name is not None and name not in found and wanted:
                found.append(name)
    return found


def _chosen(graph: Graph, spec: TrainSpec, own: Mapping[str, Sequence[Parameter]]) -> list[Op]:
    ops = [op for op in graph.ops if op.name in own]
    if spec.what == "layers":
        named = {name for wanted in spec.layers for name in _layer_called(wanted, own)}
        return [op for op in ops if op.name in named]
    scaling = scales_input(graph)
    ops = [op for op in ops if op.name not in scaling]
    if spec.what != "last":
        return ops
    layers = [op for op in ops if any(kind == "weight" for _, kind in own[op.name])]
    if spec.count > len(layers):
        raise UsageError(f"last:{spec.count} of {len(layers)} layers with weights", where="--train")
    return ops[ops.index(layers[-spec.count]) :]


def _layer_called(wanted: str, own: Mapping[str, Sequence[Parameter]]) -> list[str]:
    found = called(wanted, own)
    if len(found) == 1:
        return found
    why = f"there is no layer with weights called {wanted!r}"
    if found:
        why = f"{wanted!r} may be any of {len(found)} layers: {', '.join(found)}"
    raise UsageError(why, where="--train", hints=[f"layers with weights: {plain(own)}"])


def scales_input(graph: Graph) -> set[str]:
    """Operators that do no more than scale and shift what the network is given."""
    scaled = set(graph.inputs)
    found = set()
    for op in graph.ops:
        computed = [n for n in op.inputs if n is not None and not graph.tensors[n].is_constant]
        if op.type in _SCALING and all(n in scaled for n in computed):
            scaled.update(op.outputs)
            found.add(op.name)
    return found
