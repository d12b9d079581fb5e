"""The constant arrays of a plan, counted as the emitter writes them: once per content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mcu_gen.graph import Graph
from mcu_gen.kernels.contract import Array, Call, In, InputList
from mcu_gen.plan.types import Step
from mcu_gen.targets import Target


def array_key(data: np.ndarray) -> tuple[str, bytes]:
    """Arrays with the same key are one array in flash: same element type, same content."""
    return data.dtype.str, data.tobytes()


def _passed(step: Step, call: Call) -> Iterator[np.ndarray]:
    """Constants that a call receives by pointer: fields of its parameters, and constant inputs."""
    for value in call.params.values():
        if isinstance(value, Array):
            yield value.data
    for argument in call.args:
        indices: tuple[int, ...] = ()
        if isinstance(argument, In):
            indices = (argument.index,)
        elif isinstance(argument, InputList):
            indices = argument.indices
        for index in indices:
            tensor = step.node.inputs[index] if index < len(step.node.inputs) else None
            if tensor is not None and tensor.data is not None and not tensor.variable:
                yield tensor.data


def constant_bytes(graph: Graph, steps: Iterable[Step], target: Target) -> int:
    """Bytes of all arrays that the network keeps in flash."""
    arrays: dict[tuple[str, bytes], int] = {}
    for step in steps:
        for data in _passed(step, step.kernel.call(step.node, target)):
            arrays[array_key(data)] = data.nbytes
    for tensor in graph.tensors.values():
        if tensor.data is not None and (tensor.variable or tensor.name in graph.outputs):
            arrays[array_key(tensor.data)] = tensor.data.nbytes
        if tensor.initial is not None:
            arrays[array_key(tensor.initial)] = tensor.initial.nbytes
    return sum(arrays.values())
