"""float16 training: activations and gradients are stored in halves.

In the inference part every operator with kernels for halves reads and writes halves; in front of all others, at the
inputs and at the outputs of the network values are converted.  Constant weights become halves as well, biases stay
float32.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mcu_gen.graph import DType, Graph, Node, Op, Tensor, operator


def is_real(tensor: Tensor | None) -> bool:
    """Whether a tensor is an activation in floating point."""
    return tensor is not None and tensor.data is None and not tensor.variable and tensor.dtype.is_float


class _Conversions:
    """Appends operators to ``graph``; every tensor is converted once, constants that are not ``trained`` right here."""

    def __init__(self, graph: Graph, trained: Collection[str] = (), origin: str = "") -> None:
        self.graph, self.trained, self.origin = graph, trained, origin
        self.converted: dict[tuple[str, DType], str] = {}

    def to(self, name: str, dtype: DType) -> str:
        """``name`` as a tensor of ``dtype``."""
        tensor = self.graph.tensors[name]
        if tensor.dtype is dtype:
            return name
        if (name, dtype) not in self.converted:
            self.converted[name, dtype] = self._converted(tensor, dtype)
        return self.converted[name, dtype]

    def _converted(self, tensor: Tensor, dtype: DType) -> str:
        half = dtype is DType.FLOAT16
        name = self.graph.unique_name(f"{tensor.name}.{'half' if half else 'float'}")
        if tensor.data is not None and tensor.name not in self.trained:
            with np.errstate(over="ignore"):
                data = tensor.data.astype(dtype.numpy)
            self.graph.add_tensor(tensor.replace(name=name, dtype=dtype, data=data))
        else:
            self.graph.add_tensor(Tensor(name, tensor.shape, dtype))
            self.graph.ops.append(
                Op(name, "to_half" if half else "dequantize", (tensor.name,), (name,), {}, self.origin)
            )
        return name


def halved(graph: Graph, trained: Collection[str]) -> Graph:
    """``graph`` with activations in halves wherever kernels compute on them.

    Args:
        graph: an inference; it may have integer parts.
        trained: constants that will be variables: they are left as they are.

    The interface stays float32.
    """
    out = graph.copy()
    out.ops = []
    conversions = _Conversions(out, trained)
    #: tensor of ``graph`` -> the one that holds its value in ``out``
    current: dict[str, str] = {}
    for node in graph.nodes():
        inputs = [None if n is None else current.get(n, n) for n in node.op.inputs]
        if not any(is_real(t) for t in (*node.inputs, *node.outputs)):
            out.ops.append(node.op)
            continue
        impl = operator(node.type)
        seam = node.type == "dequantize" and node.x.dtype is DType.INT8
        at = impl.half_inputs(node)
        if any(node.op.inputs[i] in trained for i in at if i not in impl.half_weights):
            at = ()  # a trained vector stays float32
        half = bool(at) or seam
        for i, name in enumerate(inputs):
            tensor = None if name is None else out.tensors[name]
            if name is None or tensor is None or not tensor.dtype.is_float:
                continue
            if i in impl.half_weights and half:
                inputs[i] = name if name in trained else conversions.to(name, DType.FLOAT16)
            elif i in at:
                inputs[i] = conversions.to(name, DType.FLOAT16)
            elif tensor.dtype is DType.FLOAT16:
                inputs[i] = conversions.to(name, DType.FLOAT32)
        outputs = tuple(_output(out, graph, n, half, current) for n in node.op.outputs)
        out.ops.append(node.op.replace(inputs=tuple(inputs), outputs=outputs))
        for own, name in zip(outputs, node.op.outputs, strict=True):
            if own != name and name in graph.outputs:
                out.ops.append(Op(out.unique_name(f"{name}.float"), "dequantize", (own,), (name,)))
                conversions.converted[own, DType.FLOAT32] = name
    return out


def _output(out: Graph, graph: Graph, name: str, half: bool, current: dict[str, str]) -> str:
    """The tensor that takes the place of output ``name`` of an operator; outputs of the network stay float32."""
    tensor = graph.tensors[name]
    if not half or not tensor.dtype.is_float:
        return name
    if name in graph.outputs:
        current[name] = out.unique_name(f"{name}.half")
        out.add_tensor(tensor.replace(name=current[name], dtype=DType.FLOAT16))
        return current[name]
    out.tensors[name] = tensor.replace(dtype=DType.FLOAT16)
    return name


def legal_inputs(graph: Graph, node: Node, origin: str) -> list[str | None]:
    """The inputs of an operator of the backward pass, converted where its kernels need it; appends the conversions.

    An operator with kernels for halves computes on halves as soon as one of its activations or weights is one.
    """
    impl = operator(node.type)
    names: list[str | None] = list(node.op.inputs)
    if impl.converts:
        return names
    conversions = _Conversions(graph, origin=origin)
    at = impl.half_inputs(node)
    halves = [i for i, t in enumerate(node.inputs) if t is not None and t.dtype is DType.FLOAT16]
    some = any(i in at or i in impl.half_weights or node.input(i).variable for i in halves)
    for i, tensor in enumerate(node.inputs):
        if tensor is None or not tensor.dtype.is_float or i in impl.half_weights:
            continue
        if i in at and some:
            names[i] = conversions.to(tensor.name, DType.FLOAT16)
        elif tensor.dtype is DType.FLOAT16 and not tensor.variable:
            names[i] = conversions.to(tensor.name, DType.FLOAT32)
    return names
