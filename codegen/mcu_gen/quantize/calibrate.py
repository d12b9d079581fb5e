"""Calibration: which range of real numbers every tensor takes, from samples.

Three methods: ``minmax`` (everything that occurred), ``percentile`` (cuts the rarest values off both ends), ``mse``
(the range whose int8 codes have the smallest mean squared error).  The last two look at histograms, gathered in a
second run over the samples.  Tensors that must share a scale are one group and have one histogram.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.errors import UsageError
from mcu_gen.graph import Executor, Graph

METHODS = ("minmax", "percentile", "mse")
_BINS = 2048
#: Steps of the search for the best range, per end.
_STEPS = 24


@dataclass(frozen=True)
class Range:
    """Real numbers from ``low`` to ``high``; 0 always lies inside, because padding and ReLU need it exactly."""

    low: float
    high: float

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))

    @classmethod
    def of(cls, x: np.ndarray) -> Range:
        return cls(min(0.0, float(x.min(initial=0.0))), max(0.0, float(x.max(initial=0.0))))


def samples_of(graph: Graph, data: Mapping[str, np.ndarray], where: str = "--calib") -> list[dict[str, np.ndarray]]:
    """Calibration data as one dictionary per sample, by tensor name, in the inputs' shapes and types.

    Args:
        data: per input an array [samples, ...] under its name or another name of the model's signature; ``x`` will do
            when there is one input.  A sample may lack the leading axis of length 1 that the model's input has.

    Raises:
        UsageError: an input has no data, or data of another shape or not finite.
    """
    columns: dict[str, np.ndarray] = {}
    for name in graph.inputs:
        keys = [name, *(alias for alias, tensor in graph.aliases.items() if tensor == name)]
        keys += ["x"] if len(graph.inputs) == 1 else []
        key = next((k for k in keys if k in data), None)
        if key is None and len(graph.inputs) == 1 and len(data) == 1:
            key = next(iter(data))
        if key is None:
            raise UsageError(
                f"there are no data for the model's input {name}",
                where=where,
                hints=[f"the file must hold an array called {name}; it holds {', '.join(sorted(data)) or 'nothing'}"],
            )
        columns[name] = _column(np.asarray(data[key]), name, graph, where)
    counts = {name: len(c) for name, c in columns.items()}
    if len(set(counts.values())) != 1:
        text = ", ".join(f"{n}: {c}" for n, c in counts.items())
        raise UsageError(f"the inputs have different numbers of samples ({text})", where=where)
    count = next(iter(counts.values()))
    if count == 0:
        raise UsageError("there are no samples", where=where)
    return [{name: column[i] for name, column in columns.items()} for i in range(count)]


def _column(x: np.ndarray, name: str, graph: Graph, where: str) -> np.ndarray:
    tensor = graph.tensors[name]
    shape = tensor.shape
    fits = [shape] + ([shape[1:]] if shape[:1] == (1,) else [])
    if x.dtype.kind not in "fiub":
        raise UsageError(f"the data for {name} are {x.dtype}, not numbers", where=where)
    if x.ndim == 0 or tuple(x.shape[1:]) not in fits:
        expected = " or ".join(str(["samples", *s]).replace("'", "") for s in fits)
        raise UsageError(f"the data for {name} have shape {list(x.shape)}, expected {expected}", where=where)
    x = x.reshape(len(x), *shape).astype(tensor.dtype.numpy)
    if tensor.dtype.is_float and not np.isfinite(x).all():
        raise UsageError(f"the data for {name} hold infinities or NaN", where=where)
    return x


def activations(graph: Graph, samples: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    """All tensors of ``graph``, sample by sample."""
    executor = Executor(graph)
    for sample in samples:
        yield executor.run(sample, keep=True)


def calibrate(
    graph: Graph,
    samples: Sequence[Mapping[str, np.ndarray]],
    groups: Mapping[str, str],
    method: str = "minmax",
    percentile: float = 99.99,
) -> dict[str, Range]:
    """The range of every group.

    Args:
        groups: tensor -> group, for the tensors to look at.
        percentile: how much of the values the method ``percentile`` keeps at least at each end.

    Raises:
        UsageError: the float model computes infinities or NaN, or an option is wrong.
    """
    if method not in METHODS:
        raise UsageError(f"unknown calibration method {method!r}", where="--method", hints=[", ".join(METHODS)])
    if not 50 < percentile <= 100:
        raise UsageError(f"the percentile is {percentile:g}, it must lie in (50, 100]", where="--percentile")
    ranges: dict[str, Range] = {}
    for values in activations(graph, samples):
        for name, group in groups.items():
            x = values[name]
            if not np.isfinite(x).all():
                raise UsageError(f"the float model computes infinities or NaN in {name}", where="--calib")
            found = Range.of(x)
            ranges[group] = ranges[group].union(found) if group in ranges else found
    if method == "minmax":
        return ranges
    histograms = {group: np.zeros(_BINS, np.int64) for group in ranges}
    for values in activations(graph, samples):
        for name, group in groups.items():
            r = ranges[group]
            if r.high > r.low:
                x = values[name]
                # zeros are exact in every range, and after a ReLU they would drown the rest
                histograms[group] += np.histogram(x[x != 0], _BINS, (r.low, r.high))[0]
    cut = _percentile if method == "percentile" else _mse
    return {g: cut(histograms[g], r, percentile) if r.high > r.low else r for g, r in ranges.items()}


def _percentile(counts: np.ndarray, r: Range, percentile: float) -> Range:
    """Cuts whole bins off both ends while no more than ``100 - percentile`` per cent of the values go."""
    spare = counts.sum() * (100 - percentile) / 100
    edges = np.linspace(r.low, r.high, _BINS + 1)
    below = np.cumsum(counts)
    first = int(np.searchsorted(below, spare, side="right"))
    last = _BINS - int(np.searchsorted(np.cumsum(counts[::-1]), spare, side="right"))
    low, high = float(edges[min(first, _BINS - 1)]), float(edges[max(last, 1)])
    return Range(min(0.0, low), max(0.0, high)) if high > low else r


def _mse(counts: np.ndarray, r: Range, percentile: float) -> Range:
    """Tries ranges between a fifth and all of each end; values are the centres of their bins."""
    del percentile
    used = counts > 0
    centres = np.linspace(r.low, r.high, _BINS + 1)[:-1] + (r.high - r.low) / (2 * _BINS)
    x, weight = centres[used], counts[used].astype(np.float64)
    fractions = np.linspace(0.2, 1.0, _STEPS)
    best, best_error = r, np.inf
    for low in fractions * r.low if r.low < 0 else [0.0]:
        for high in fractions * r.high if r.high > 0 else [0.0]:
            scale = (high - low) / 255
            zero_point = np.round(-low / scale)
            code = np.clip(np.round(x / scale) + zero_point, 0, 255)
            error = float((weight * (x - (code - zero_point) * scale) ** 2).sum())
            if error <= best_error:
                best, best_error = Range(float(low), float(high)), error
    return best
