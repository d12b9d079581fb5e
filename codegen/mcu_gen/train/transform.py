"""From a network to one that trains itself: forward pass, loss, backward pass and updates in one graph.

Reverse-mode differentiation (Linnainmaa 1970) over the operators that lie between a trained weight and the loss.
Weights that are trained become variables; gradients that nobody needs are never built, and what is saved of the
forward pass is what the rules read.  Every update follows the gradient that it applies at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcu_gen.errors import UnsupportedModelError, UsageError
from mcu_gen.graph import DType, Graph, Tensor, Training
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients import backward, refusal
from mcu_gen.train.replay import with_replay
from mcu_gen.train.seam import dequantized_again, float_suffix, is_quantized
from mcu_gen.train.spec import TrainSpec

#: Operators with weights (input 1) and bias (input 2).
WEIGHTED = ("fully_connected", "conv2d", "depthwise_conv2d")

#: The learning rate until one is set.
RATE = 0.01


@dataclass(frozen=True)
class _End:
    """Where the loss begins: the tensor whose gradient is computed, and the loss."""

    tensor: str
    loss: str
    #: the network's own softmax, already folded into the loss
    probabilities: str | None


def make_training_graph(graph: Graph, spec: TrainSpec, *, rate: float = RATE) -> Graph:
    """``graph`` with a training step behind its inference (see :class:`mcu_gen.graph.Training`).

    Args:
        graph: float32 or of integers, after the passes, with one output and no variables of its own; of integers, what
            depends on a trained weight becomes float32, the output included (see :mod:`mcu_gen.train.seam`).
        spec: what is trained.
        rate: the learning rate after a reset.

    Raises:
        UnsupportedModelError: no gradient reaches a trained layer; lists every operator in the way.
        UsageError: a layer that is named does not exist or has no weights.
    """
    trained = _trained(graph, spec)
    graph, notes = float_suffix(graph, trained)
    end = _end(graph, spec)
    active = _active(graph, trained, end.tensor)
    b = Builder(_with_variables(graph, trained))
    out = b.graph
    gradients, label, loss, first = _add_loss(b, end)
    b.rate = out.unique_name("learning_rate")
    out.add_tensor(Tensor(b.rate, (1,), DType.FLOAT32, variable=True, initial=np.array([rate], np.float32)))
    for op in reversed(graph.ops):
        if op.name not in active:
            continue
        node = b.node(op)
        dy = _total(b, node.y.name, gradients.pop(node.y.name, []))
        if dy is None:
            continue
        wanted = frozenset(i for i, n in enumerate(op.inputs) if n is not None and n in active[op.name])
        for index, name in backward(b, node, dy, wanted).items():
            gradients.setdefault(node.input(index).name, []).append(name)
    out.inputs.append(label)
    out.outputs += [loss, b.skipped]
    order = [n for n in trained if n in b.updated]
    out.training = Training(first, label, loss, b.skipped, b.rate, tuple(order), notes)
    out = dequantized_again(out).prune()
    return with_replay(out, spec.replay, spec.replay_steps) if spec.replay else out


def _end(graph: Graph, spec: TrainSpec) -> _End:
    reasons = [
        f"tensor {t.name} is {t.dtype.value}"
        for n in graph.outputs
        if (t := graph.tensors[n]).dtype is not DType.FLOAT32
    ]
    if len(graph.outputs) != 1:
        reasons.append(f"the network has {len(graph.outputs)} outputs, training takes one")
    reasons += [f"tensor {t.name} is a variable of the network" for t in graph.variables()]
    if reasons:
        raise UnsupportedModelError(
            "the network cannot be trained",
            reasons=reasons,
            hints=["training takes a network with one output of real numbers, or of codes of them, and no state"],
        )
    output = graph.outputs[0]
    last = graph.producer(output)
    softmax = last is not None and last.type == "softmax" and last.attrs.get("beta") == 1.0
    loss = spec.loss or ("softmax_cross_entropy" if softmax else "mse")
    if loss == "softmax_cross_entropy" and softmax:
        assert last is not None
        logits = last.inputs[0]
        assert logits is not None
        return _End(logits, loss, output)
    return _End(output, loss, None)


def _trained(graph: Graph, spec: TrainSpec) -> list[str]:
    """Names of the constants that become variables, in the order of the layers."""
    layers = [op for op in graph.ops if op.type in WEIGHTED]
    names = {op.name: op for op in layers}
    if spec.what == "layers":
        unknown = [n for n in spec.layers if n not in names]
        if unknown:
            raise UsageError(
                f"there is no layer with weights called {unknown[0]!r}", where="--train",
                hints=[f"layers with weights: {', '.join(names)}"],
            )  # fmt: skip
        layers = [op for op in layers if op.name in spec.layers]
    elif spec.what == "last":
        if spec.count > len(layers):
            raise UsageError(f"last:{spec.count} of {len(layers)} layers with weights", where="--train")
        layers = layers[-spec.count :]
    found: list[str] = []
    for op in layers:
        for name in op.inputs[2:3] if spec.what == "bias" else op.inputs[1:3]:
            if name is not None and name not in found:
                found.append(name)
    if not found:
        raise UnsupportedModelError("the network has nothing that could be trained so", where=f"--train {spec.text}")
    shared = [n for n in found if len(graph.consumers(n)) > 1]
    wrong = [n for n in found if not _holds_numbers(graph.tensors[n])]
    reasons = [f"{n} is used by several layers" for n in shared]
    reasons += [f"{n} is {graph.tensors[n].dtype.value}, neither a float32 nor a quantized constant" for n in wrong]
    if reasons:
        raise UnsupportedModelError("these weights cannot be trained", reasons=reasons)
    return found


def _holds_numbers(t: Tensor) -> bool:
    """Whether a tensor is a constant of real numbers, or of codes of them (a bias has the scales of its layer)."""
    return t.data is not None and (t.dtype is DType.FLOAT32 or is_quantized(t) or t.dtype in (DType.INT32, DType.INT64))


def _active(graph: Graph, trained: list[str], end: str) -> dict[str, frozenset[str]]:
    """Operators through which gradients pass, each with the inputs whose gradient is needed.

    An input needs a gradient where it depends on a trained weight; an operator is active where its output leads to the
    loss and it, or something before it, is trained.
    """
    depends: set[str] = set()
    for op in graph.ops:
        if any(n in depends or n in trained for n in op.inputs if n is not None):
            depends.update(op.outputs)
    leads = {end}
    active: dict[str, frozenset[str]] = {}
    reasons = []
    for op in reversed(graph.ops):
        if not any(n in leads and n in depends for n in op.outputs):
            continue
        needed = frozenset(n for n in op.inputs if n is not None and n in depends)
        active[op.name] = needed
        leads |= needed
        why = refusal(graph.node(op))
        if why is not None:
            reasons.append(f"layer {op.name}: {why}")
    reached = {n for op in graph.ops if op.name in active for n in op.inputs}
    reasons += [f"{n} does not contribute to the output" for n in trained if n not in reached]
    if reasons:
        raise UnsupportedModelError(
            "gradients do not reach every trained layer", reasons=reasons,
            hints=["train fewer layers (`--train head`)"],
        )  # fmt: skip
    return active


def _with_variables(graph: Graph, trained: list[str]) -> Graph:
    out = graph.copy()
    for name in trained:
        t = out.tensors[name]
        out.tensors[name] = t.replace(data=None, variable=True, initial=t.data)
    return out


def _add_loss(b: Builder, end: _End) -> tuple[dict[str, list[str]], str, str, str]:
    """Label and loss; returns the first gradient, and the names of label, loss and first operator."""
    graph = b.graph
    before = len(graph.ops)
    y = b.tensor(end.tensor)
    label = graph.unique_name("label")
    gradient = f"{y.name}.grad"
    if end.loss == "mse":
        graph.add_tensor(Tensor(label, y.shape, DType.FLOAT32))
        names = ["loss", gradient, "skipped"]
        loss, dy, b.skipped = b.add("mean_squared_error", [y.name, label], names)
    else:
        if not y.shape or y.shape[-1] < 2:
            raise UnsupportedModelError(
                f"cross-entropy takes two classes or more, the output has the shape {list(y.shape)}",
                where=f"tensor {y.name}", hints=["use loss=mse"],
            )  # fmt: skip
        rows = y.elements // y.shape[-1]
        graph.add_tensor(Tensor(label, (rows,), DType.INT32))
        p = end.probabilities or b.one("softmax", [y.name], f"{y.name}.softmax", beta=1.0)
        names = ["loss", gradient, "skipped"]
        loss, dy, b.skipped = b.add("softmax_cross_entropy", [y.name, p, label], names)
    return {y.name: [dy]}, label, loss, graph.ops[before].name


def _total(b: Builder, tensor: str, parts: list[str]) -> str | None:
    """The sum of the gradients that reach a tensor on its ways to the loss."""
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = b.one("add", [total, part], f"{tensor}.grad", activation="none", pot_scale_int16=False)
    return total
