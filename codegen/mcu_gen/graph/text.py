"""A graph as text, for debugging and for messages: one line per operator."""

from __future__ import annotations

from mcu_gen.graph.ir import Graph, Tensor


def tensor_text(tensor: Tensor) -> str:
    """``name: int8[1,8] (s=0.5, z=-3)``; scales of channels are counted."""
    text = f"{tensor.name}: {tensor.dtype.value}[{','.join(map(str, tensor.shape))}]"
    if tensor.quant is not None:
        many = tensor.quant.scale.size != 1
        text += (
            f" (s={tensor.quant.scale.size} x axis {tensor.quant.axis})"
            if many
            else f" (s={tensor.s:g}, z={tensor.zp})"
        )
    return text + (" variable" if tensor.variable else "") + (" constant" if tensor.is_constant else "")


def to_text(graph: Graph) -> str:
    """The interface, then the operators in execution order with attributes, then the constants and variables."""
    lines = [f"graph {graph.name}"]
    lines += [f"  in  {tensor_text(graph.tensors[n])}" for n in graph.inputs]
    for op in graph.ops:
        outputs = ", ".join(tensor_text(graph.tensors[n]) for n in op.outputs)
        inputs = ", ".join("-" if n is None else n for n in op.inputs)
        attrs = "".join(f" {k}={v}" for k, v in sorted(op.attrs.items()))
        lines.append(f"  {outputs} = {op.type}({inputs}){attrs}")
    lines += [f"  out {n}" for n in graph.outputs]
    lines += [f"  {tensor_text(t)}" for _, t in sorted(graph.tensors.items()) if t.is_constant or t.variable]
    return "\n".join(lines) + "\n"
