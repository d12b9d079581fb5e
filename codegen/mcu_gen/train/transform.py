"""From a network to one that trains itself: forward pass, loss, backward pass and updates in one graph.

Reverse-mode differentiation (Linnainmaa 1970) over the operators that lie between a trained weight and the loss.
Weights that are trained become variables; gradients that nobody needs are never built, and what is saved of the
forward pass is what the rules read.  Every update follows the gradient that it applies at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Graph, Tensor, Training
from mcu_gen.train.broadcasts import without_broadcasts
from mcu_gen.train.builder import Builder
from mcu_gen.train.gradients import backward, parameters, refusal
from mcu_gen.train.half import halved
from mcu_gen.train.normalize import append_statistics, standardized
from mcu_gen.train.prepare import prepared, transposed_convolutions
from mcu_gen.train.replay import with_replay
from mcu_gen.train.running_norm import with_running_norms
from mcu_gen.train.seam import dequantized_again, float_suffix, is_quantized
from mcu_gen.train.select import trained_constants
from mcu_gen.train.spec import TrainSpec
from mcu_gen.train.updates import updates_of

#: Losses between the output and a target of its shape, and their operators.
REGRESSION = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber": "huber"}

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
    _refuse_state(graph)
    graph = prepared(graph)
    graph = with_running_norms(graph) if spec.batch_norm == "running" else graph
    trained = _trained(graph, spec)
    graph, notes = float_suffix(graph, trained)
    graph = transposed_convolutions(prepared(graph))
    graph = standardized(graph) if spec.normalize == "running" else graph
    if spec.dtype is DType.FLOAT16:
        graph = halved(graph, trained)
    end = _end(graph, spec)
    active = _active(graph, trained, end.tensor)
    b = Builder(_with_variables(graph, trained, spec))
    out = b.graph
    updates = b.updates = updates_of(b, spec, rate)
    found = _add_loss(b, end)
    gradients = {end.tensor: [updates.begin(found.gradient, found.skipped)]}
    for op in reversed(graph.ops):
        if op.name not in active:
            continue
        node = b.node(op)
        b.origin = op.name
        dy = _total(b, node.y.name, gradients.pop(node.y.name, []))
        if dy is None:
            continue
        wanted = frozenset(i for i, n in enumerate(op.inputs) if n is not None and n in active[op.name])
        for index, name in backward(b, node, dy, wanted).items():
            gradients.setdefault(node.input(index).name, []).append(name)
    b.origin = ""
    skipped = updates.finish()
    append_statistics(out)
    out.inputs.append(found.label)
    out.outputs += [found.loss, skipped]
    order = tuple(n for n in trained if n in updates.written)
    frozen = out.unique_name("frozen")
    out.add_tensor(Tensor(frozen, (-(-len(order) // 32),), DType.INT32, variable=True))
    out.training = Training(
        first=found.first,
        label=found.label,
        loss=found.loss,
        skipped=skipped,
        rate=updates.rate,
        trained=order,
        mode=spec.mode,
        state=tuple(updates.state),
        notes=notes,
        frozen=frozen,
    )
    out = without_broadcasts(dequantized_again(out).prune())
    return with_replay(out, spec.replay, spec.replay_steps) if spec.replay else out


@dataclass(frozen=True)
class _Loss:
    """The tensors of the loss, and its first operator."""

    label: str
    loss: str
    gradient: str
    skipped: str
    first: str


_TRAINABLE = "training takes a network with one output of real numbers, or of codes of them, and no state"


def _refuse_state(graph: Graph) -> None:
    reasons = [f"tensor {t.name} is a variable of the network" for t in graph.variables()]
    if reasons:
        raise UnsupportedModelError("the network cannot be trained", reasons=reasons, hints=[_TRAINABLE])


def _end(graph: Graph, spec: TrainSpec) -> _End:
    reasons = [
        f"tensor {t.name} is {t.dtype.value}"
        for n in graph.outputs
        if (t := graph.tensors[n]).dtype is not DType.FLOAT32
    ]
    if len(graph.outputs) != 1:
        reasons.append(f"the network has {len(graph.outputs)} outputs, training takes one")
    if reasons:
        raise UnsupportedModelError("the network cannot be trained", reasons=reasons, hints=[_TRAINABLE])
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
    found = trained_constants(graph, spec)
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


def _with_variables(graph: Graph, trained: list[str], spec: TrainSpec) -> Graph:
    """Trained constants as variables; matrices and filters in halves unless a float32 master of them is wanted."""
    out = graph.copy()
    large = {node.op.inputs[p.input] for node in graph.nodes() for p in parameters(node) if p.kind == "weight"}
    for name in trained:
        t = out.tensors[name]
        assert t.data is not None
        halves = spec.dtype is DType.FLOAT16 and spec.rounding != "master" and name in large
        dtype = DType.FLOAT16 if halves else t.dtype
        out.tensors[name] = t.replace(data=None, dtype=dtype, variable=True, initial=t.data.astype(dtype.numpy))
    return out


def _add_loss(b: Builder, end: _End) -> _Loss:
    """Label and loss."""
    graph = b.graph
    before = len(graph.ops)
    y = b.tensor(end.tensor)
    label = graph.unique_name("label")
    names = ["loss", f"{y.name}.grad", "skipped"]
    if end.loss in REGRESSION:
        graph.add_tensor(Tensor(label, y.shape, DType.FLOAT32))
        found = b.add(REGRESSION[end.loss], [y.name, label], names)
    else:
        if not y.shape or y.shape[-1] < 2:
            raise UnsupportedModelError(
                f"cross-entropy takes two classes or more, the output has the shape {list(y.shape)}",
                where=f"tensor {y.name}", hints=[f"use loss={' or '.join(REGRESSION)}"],
            )  # fmt: skip
        rows = y.elements // y.shape[-1]
        graph.add_tensor(Tensor(label, (rows,), DType.INT32))
        p = end.probabilities or b.one("softmax", [y.name], f"{y.name}.softmax", beta=1.0)
        found = b.add("softmax_cross_entropy", [y.name, p, label], names)
    loss, gradient, skipped = found
    return _Loss(label, loss, gradient, skipped, graph.ops[before].name)


def _total(b: Builder, tensor: str, parts: list[str]) -> str | None:
    """The sum of the gradients that reach a tensor on its ways to the loss."""
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = b.one("add", [total, part], f"{tensor}.grad", activation="none", pot_scale_int16=False)
    return total
