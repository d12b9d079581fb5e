"""An integer network whose tail is trained: integers up to the first trained layer, float32 behind it.

What does not depend on a trained weight stays as it is: the same operators, the same kernels, the same bits.  What
does, the *suffix*, is trained in real numbers (Ravaglia et al. 2021 split networks the same way): its operators take
float32, its constants are what their codes stand for, and activations that cross the *seam* are dequantized once.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Graph, Node, Op, Tensor, check, operator
from mcu_gen.ops.weights import weight_scales

#: Operators with a bias in input 2, whose unit is input scale x weight scale.
_BIASED = ("fully_connected", "conv2d", "depthwise_conv2d", "transpose_conv")

#: Bytes of a float32 twin from which on it is worth a multiplication per element to make it twice.
_WORTH_BYTES = 1024


def is_quantized(tensor: Tensor) -> bool:
    """Whether the elements are codes of real numbers."""
    return tensor.quant is not None and not tensor.dtype.is_float


def suffix(graph: Graph, trained: Collection[str]) -> set[str]:
    """Names of the operators that depend on a tensor of ``trained``."""
    reached, found = set(trained), set()
    for op in graph.ops:
        if any(n in reached for n in op.inputs):
            found.add(op.name)
            reached.update(op.outputs)
    return found


def float_suffix(graph: Graph, trained: Collection[str]) -> tuple[Graph, tuple[str, ...]]:
    """``graph`` with everything that depends on the constants ``trained`` in float32.

    Fused activations stay, so a rectifier that int8 gets from its lowest code is a real one here.  QUANTIZE and
    DEQUANTIZE have nothing left to do in the suffix and go.  Names stay; activations that cross the seam get a twin
    in float32.

    Returns:
        The graph (itself where there is nothing to change), and what changes for its user, a sentence each.

    Raises:
        UnsupportedModelError: an operator of the suffix has no float32 form; all of them are listed.
    """
    inside = suffix(graph, trained)
    nodes = [graph.node(op) for op in graph.ops if op.name in inside]
    if not any(n.type in ("quantize", "dequantize") or any(map(is_quantized, _tensors(n))) for n in nodes):
        return graph, ()
    changed = _Rewrite(graph, inside).run()
    outputs = [n for n in graph.outputs if is_quantized(graph.tensors[n])]
    notes = [
        f"output {n} is float32 instead of {graph.tensors[n].dtype.value}: it lies behind the first trained layer"
        for n in outputs
        if not is_quantized(changed.tensors[n])
    ]
    return changed, tuple(notes)


def dequantized_again(graph: Graph) -> Graph:
    """A training graph that keeps the integers of the seam for its backward pass and not their float32 twins.

    What the backward pass reads of a twin is dequantized a second time, which is a quarter of the memory for a
    multiplication per element (recomputation, Chen et al. 2016, where it costs next to nothing).
    """
    assert graph.training is not None
    first = next(i for i, op in enumerate(graph.ops) if op.name == graph.training.first)
    out = graph.copy()
    behind = graph.ops[first:]
    for op in graph.ops[:first]:
        at = next((i for i, o in enumerate(behind) if op.outputs[0] in o.inputs), None)
        twin = graph.tensors[op.outputs[0]]
        if op.type != "dequantize" or at is None or twin.bytes < _WORTH_BYTES:
            continue
        again = out.unique_name(f"{twin.name}.again")
        out.add_tensor(twin.replace(name=again))
        behind[at:] = [_renamed(o, twin.name, again) for o in behind[at:]]
        behind.insert(at, op.replace(name=again, outputs=(again,)))
    out.ops = graph.ops[:first] + behind
    return out


def _tensors(node: Node) -> list[Tensor]:
    return [t for t in (*node.inputs, *node.outputs) if t is not None]


class _Rewrite:
    def __init__(self, graph: Graph, inside: set[str]) -> None:
        self.graph, self.inside = graph, inside
        self.out = graph.copy()
        self.out.ops = []
        #: tensors of the graph whose float32 form is another tensor of the result
        self.names: dict[str, str] = {}

    def run(self) -> Graph:
        reasons: list[str] = []
        for op in self.graph.ops:
            if op.name not in self.inside:
                self.out.ops.append(op)
            elif op.type in ("quantize", "dequantize"):
                self._bypass(op)
            else:
                self._convert(self.graph.node(op))
                reasons += _faults(self.out.node(self.out.ops[-1]))
        if reasons:
            raise UnsupportedModelError(
                "layers behind the first trained one run in float32, which these do not", reasons=reasons,
                hints=["train fewer layers (`--train head`)"],
            )  # fmt: skip
        return self.out.prune()

    def _bypass(self, op: Op) -> None:
        """A change of scale or type inside the suffix: its output is its input."""
        x, y = op.inputs[0], op.outputs[0]
        assert x is not None
        x = self.names.get(x, x)
        if y not in self.graph.outputs:
            self.names[y] = x
            return
        # The output keeps its name, so what produces the input takes it over.
        self.out.tensors[y] = self.out.tensors[x].replace(name=y)
        self.out.ops = [_renamed(o, x, y) for o in self.out.ops]
        self.names = {k: y if v == x else v for k, v in self.names.items()} | {x: y}

    def _convert(self, node: Node) -> None:
        inputs = tuple(None if t is None else self._input(node, i, t) for i, t in enumerate(node.inputs))
        for t in node.outputs:
            if is_quantized(t):
                self.out.tensors[t.name] = t.replace(dtype=DType.FLOAT32, quant=None)
        self.out.ops.append(node.op.replace(inputs=inputs))

    def _input(self, node: Node, index: int, t: Tensor) -> str:
        """Name of the float32 form of an input."""
        if t.is_constant:
            is_bias = index == 2 and node.type in _BIASED and is_quantized(node.x)
            return self._constant(t, _real_bias(node) if is_bias else _real(t))
        if t.name in self.names:
            return self.names[t.name]
        producer = self.graph.producer(t.name)
        if not is_quantized(t) or (producer is not None and producer.name in self.inside):
            return t.name
        twin = self.out.unique_name(f"{t.name}.real")
        self.out.add_tensor(Tensor(twin, t.shape, DType.FLOAT32))
        self.out.ops.append(Op(twin, "dequantize", (t.name,), (twin,)))
        self.names[t.name] = twin
        return twin

    def _constant(self, t: Tensor, value: np.ndarray | None) -> str:
        """A constant of the suffix as real numbers; one that others read as well gets a twin."""
        if value is None:
            return t.name
        shared = len(self.graph.consumers(t.name)) > 1
        name = self.out.unique_name(f"{t.name}.real") if shared else t.name
        data = np.ascontiguousarray(value, np.float32)
        data.flags.writeable = False
        self.out.tensors[name] = Tensor(name, t.shape, DType.FLOAT32, data=data)
        return name


def _real(t: Tensor) -> np.ndarray | None:
    """The real numbers that the codes of a constant stand for; None where they are no codes (axes, shapes)."""
    if not is_quantized(t):
        return None
    assert t.quant is not None
    assert t.data is not None
    along = [1] * t.data.ndim
    if t.quant.axis is not None:
        along[t.quant.axis] = -1
    codes = t.data.astype(np.float64) - t.quant.zero_point.reshape(along)
    real: np.ndarray = codes * t.quant.scale.astype(np.float64).reshape(along)
    return real


def _real_bias(node: Node) -> np.ndarray:
    """The bias of an operator with weights, in the unit of its sums: input scale x weight scale of the channel."""
    b = node.input(2)
    assert b.data is not None
    units = node.x.s * np.array(weight_scales(node.input(1), b.elements))
    real: np.ndarray = b.data.astype(np.float64) * units.reshape(b.shape)
    return real


def _faults(node: Node) -> list[str]:
    """Why an operator is not supported in its float32 form."""
    reasons = check(node)
    if not reasons:
        found = [(t.shape, t.dtype) for t in operator(node.type).infer(node)]
        if found != [(t.shape, t.dtype) for t in node.outputs]:
            reasons = [f"operator {node.type} gives {', '.join(d.value for _, d in found)}"]
    return [f"layer {node.name}: {r}" for r in reasons]


def _renamed(op: Op, old: str, new: str) -> Op:
    return op.replace(
        inputs=tuple(new if n == old else n for n in op.inputs),
        outputs=tuple(new if n == old else n for n in op.outputs),
    )
