"""The constant arrays of a plan, counted as the emitter writes them: once per content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mcu_gen.graph import Graph, Node
from mcu_gen.kernels.contract import Array, Call, In, InputList, Kernel
from mcu_gen.targets import Target


def array_key(data: np.ndarray) -> tuple[str, bytes]:
    """Arrays with the same key are one array in flash: same element type, same content."""
    return data.dtype.str, data.tobytes()


def _passed(node: Node, call: Call) -> Iterator[np.ndarray]:
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
            tensor = node.inputs[index] if index < len(node.inputs) else None
            if tensor is not None and tensor.data is not None and not tensor.variable:
                yield tensor.data


def constant_bytes(graph: Graph, calls: Iterable[tuple[Node, Kernel]], target: Target) -> int:
    """Bytes of all arrays that the network keeps in flash, for its nodes and the kernels that compute them."""
    arrays: dict[tuple[str, bytes], int] = {}
    for node, kernel in calls:
        if kernel.alias:
            continue
        for data in _passed(node, kernel.call(node, target)):
            arrays[array_key(data)] = data.nbytes
    for tensor in graph.tensors.values():
        if tensor.data is not None and (tensor.variable or tensor.name in graph.outputs):
            arrays[array_key(tensor.data)] = tensor.data.nbytes
        if tensor.initial is not None:
            arrays[array_key(tensor.initial)] = tensor.initial.nbytes
    return sum(arrays.values())
