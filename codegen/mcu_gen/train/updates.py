"""How gradients become updates.

*immediate* (SGD, one sample): a weight gradient is applied as it is made and never exists whole.
*accumulate* (batches, momentum, Adam, clipping): gradients are added up in variables; the end of a batch decides once
for all weights, and an optimizer applies all sums or none.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mcu_gen.graph import DType, Op, Tensor, operator
from mcu_gen.ops.gradient import Update
from mcu_gen.train.builder import Builder
from mcu_gen.train.half import legal_inputs
from mcu_gen.train.spec import FIRST_LOSS_SCALE, TrainSpec

#: Operator of each optimizer, and the moments that it keeps.
_OPTIMIZERS = {
    "sgd": ("optimizer_sgd", ()),
    "momentum": ("optimizer_momentum", ("velocity",)),
    "adam": ("optimizer_adam", ("moment1", "moment2")),
}


class Updates:
    """What rules call to apply a gradient, in immediate mode; everything an update needs besides the gradient.

    Args:
        builder: the graph under construction.
        spec: the request.
        rate: the learning rate after a reset.
    """

    def __init__(self, builder: Builder, spec: TrainSpec, rate: float) -> None:
        self.b, self.spec = builder, spec
        #: variables that hold the state of the optimizer
        self.state: list[str] = []
        #: weights that are updated
        self.trained: list[str] = []
        #: the count of updates left out so far, and by the loss alone
        self.skipped = self.failed = ""
        self.rate = self._variable("learning_rate", np.array([rate], np.float32), state=False)
        self.scale = self._loss_scale()
        self.step = ""

    def _variable(self, base: str, initial: np.ndarray, *, state: bool = True) -> str:
        graph = self.b.graph
        name = graph.unique_name(base)
        data = initial if initial.any() else None  # zeros need no copy in flash
        graph.add_tensor(Tensor(name, initial.shape, DType.of(initial), variable=True, initial=data))
        self.state += [name] if state else []
        return name

    def _constant(self, base: str, data: np.ndarray) -> str:
        graph = self.b.graph
        name = graph.unique_name(base)
        graph.add_tensor(Tensor(name, data.shape, DType.of(data), data=data))
        return name

    def _loss_scale(self) -> str | None:
        """Variable or constant [2], the scale and its inverse; None where gradients are not scaled."""
        if self.spec.loss_scale == 1.0:
            return None
        scale = self.spec.loss_scale or FIRST_LOSS_SCALE
        pair = np.array([scale, 1 / scale], np.float32)
        return self._constant("loss_scale", pair) if self.spec.loss_scale else self._variable("loss_scale", pair)

    @property
    def written(self) -> list[str]:
        """Variables of the network that the step changes."""
        return self.trained

    def begin(self, gradient: str, skipped: str) -> str:
        """Before the backward pass: takes the gradient of the loss and whether it is valid; gives the one to use."""
        self.failed = self.skipped = skipped
        inputs = [self.rate] if self.scale is None else [self.rate, self.scale]
        self.step = self.b.one("step_size", inputs, "step", decay=self.spec.weight_decay)
        return gradient if self.scale is None else self.b.one("scale_gradient", [gradient, self.scale], gradient)

    def _append(
        self, op: str, name: str, inputs: Sequence[str | None], outputs: Sequence[str], attrs: Mapping[str, Any]
    ) -> None:
        """An operator some of whose outputs are variables; other outputs exist."""
        graph = self.b.graph
        graph.ops.append(Op(graph.unique_name(name), op, tuple(inputs), tuple(outputs), dict(attrs), self.b.origin))

    def _result(self, base: str, shape: tuple[int, ...], dtype: DType = DType.FLOAT32) -> str:
        name = self.b.graph.unique_name(base)
        self.b.graph.add_tensor(Tensor(name, shape, dtype))
        return name

    def _rounding(self, variable: str) -> tuple[dict[str, str], list[str]]:
        """The attribute ``rounding`` of what writes a variable, and the state of its generator where it has one."""
        if self.b.tensor(variable).dtype is not DType.FLOAT16:
            return {"rounding": "none"}, []
        if self.spec.rounding != "stochastic":
            return {"rounding": "nearest"}, []
        seed = np.array([zlib.crc32(variable.encode())], np.uint32).view(np.int32)
        return {"rounding": "stochastic"}, [self._variable(f"{variable}.random", seed)]

    def add(self, op: str, inputs: list[str], variable: str, attrs: Mapping[str, Any]) -> None:
        """An update operator: adds a gradient that it computes from ``inputs`` to what becomes of it."""
        rounding, seed = self._rounding(variable)
        self._update(op, [*inputs, variable, self.step], variable, seed, {**attrs, **rounding})

    def _update(self, op: str, inputs: list[str], variable: str, seed: list[str], attrs: Mapping[str, Any]) -> None:
        skipped = self._result(f"{variable}.skipped", (1,), DType.INT32)
        names = (*inputs, self.skipped, *seed)
        draft = Op("", op, names, (variable, skipped, *seed), dict(attrs))
        legal = legal_inputs(self.b.graph, self.b.node(draft), self.b.origin)
        self._append(op, f"{variable}.update", legal, draft.outputs, attrs)
        self.skipped = skipped
        self.trained.append(variable)

    def finish(self) -> str:
        """After the backward pass; gives the tensor with the number of updates left out."""
        self._adapt_scale(self.failed, self.skipped)
        return self.skipped

    def _adapt_scale(self, silent: str, skipped: str) -> None:
        """Where ``silent`` is 0, a step tells by ``skipped`` whether the loss scale was too large."""
        if self.scale is not None and self.b.tensor(self.scale).variable:
            good = self._variable("loss_scale.good", np.zeros(1, np.int32))
            own = (self.scale, good)
            self._append("loss_scale_update", "loss_scale_update", (silent, skipped, *own), own, {})


class AccumulatedUpdates(Updates):
    """Accumulate mode."""

    def __init__(self, builder: Builder, spec: TrainSpec, rate: float) -> None:
        super().__init__(builder, spec, rate)
        self.plus = self._constant("plus_one", np.ones(2, np.float32))
        self.sums: list[str] = []
        #: variables whose updates do not wait for the end of a batch
        self.direct: list[str] = []

    def add(self, op: str, inputs: list[str], variable: str, attrs: Mapping[str, Any]) -> None:
        impl = operator(op)
        if isinstance(impl, Update) and impl.direct:
            super().add(op, inputs, variable, attrs)
            self.trained.pop()
            self.direct.append(variable)
            return
        total = self._variable(f"{variable}.gradient", np.zeros(self.b.tensor(variable).shape, np.float32))
        self._update(op, [*inputs, total, self.plus], total, [], {**attrs, "rounding": "none"})
        self.trained[-1] = variable
        self.sums.append(total)

    @property
    def written(self) -> list[str]:
        return [*self.trained, *self.direct]

    def finish(self) -> str:
        own = [self._variable(n, np.zeros(1, np.int32)) for n in ("batch.samples", "batch.dropped")]
        factor = self._result("batch.factor", (1,))
        skipped, going_on = (self._result(n, (1,), DType.INT32) for n in ("batch.skipped", "batch.open"))
        self._append(
            "batch_end", "batch_end", (self.failed, self.skipped, *own, self.step, self.scale, *self.sums),
            (factor, skipped, going_on, *own), {"batch": self.spec.batch, "clip": self.spec.clip},
        )  # fmt: skip
        step = self._adam_step(factor) if self.spec.optimizer == "adam" else self.step
        op, moments = _OPTIMIZERS[self.spec.optimizer]
        for variable, total in zip(self.trained, self.sums, strict=True):
            rounding, seed = self._rounding(variable)
            zeros = np.zeros(self.b.tensor(variable).shape, np.float32)
            kept = [variable, *(self._variable(f"{variable}.{m}", zeros) for m in moments), *seed]
            attrs = {**rounding, "momentum": self.spec.momentum}
            self._append(op, f"{variable}.{self.spec.optimizer}", (total, factor, step, *kept), (total, *kept), attrs)
        self._adapt_scale(going_on, skipped)
        return skipped

    def _adam_step(self, factor: str) -> str:
        powers = self._variable("adam.powers", np.ones(2, np.float32))
        corrected = self._result("adam.step", (2,))
        self._append("adam_step", "adam_step", (self.step, factor, powers), (corrected, powers), {})
        return corrected


def updates_of(builder: Builder, spec: TrainSpec, rate: float) -> Updates:
    """The updates of the mode that a request needs."""
    return (Updates if spec.mode == "immediate" else AccumulatedUpdates)(builder, spec, rate)
