"""Fits what a unit of a kernel's work costs (codegen/mcu_gen/kernels/rates.json) to exact counts of the emulator.

    python tests/bench/rates.py                     all instruction sets, all kernels; prints the errors that remain
    python tests/bench/rates.py --isa dsp --kernel conv2d_s8_dsp --write

Every kernel runs layers of the tables of test cases and of the models at hand that it accepts; those of training
run whole steps (steps.py).  The rates are the
non-negative numbers with the least squares of the relative errors (Lawson & Hanson, Solving Least Squares Problems,
1974); layers of models weigh more.  Models that are not part of the repository are looked for as bench.py does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as a script

from bench.bench import SHARED, models
from bench.counting import Sample, count_layers
from bench.steps import count_steps
from mcu_gen import api
from mcu_gen.errors import McuGenError
from mcu_gen.frontends import load_tflite
from mcu_gen.graph import DType, Node, Tensor
from mcu_gen.kernels import Kernel, kernels
from mcu_gen.kernels.rates import FILE, MEASURED, Rates
from mcu_gen.targets import Target, load_target
from ops.cases_concatenation import concatenation
from ops.cases_mean import mean
from ops.random_cases import random_cases
from ops.test_three_way import TABLES, table
from support.arguments import extremum
from support.images import pool

#: Layers of test cases, and of models, that a kernel is measured with.
CASES, LAYERS = 40, 40
#: Attributes of operators whose outputs depend on the place.
WINDOWS = {"stride_h", "axis", "begin", "perm", "adj_x"}
#: Maps that are reduced.
MAPS = ((1, 5, 5, 7), (1, 8, 8, 32), (1, 12, 12, 24), (1, 16, 10, 48), (1, 4, 4, 130))
#: Weight of the relative error of a model's layer.
LAYER_WEIGHT = 3.0


def _usable(node: Node) -> bool:
    return all(t is None or t.dtype is not DType.BOOL for t in node.inputs)


def case_nodes() -> list[Node]:
    """The operators of all test cases."""
    found: list[Node] = []
    for name in TABLES:
        for case in table(name):
            try:
                found += list(load_tflite(case.build(), "case").nodes())
            except McuGenError:
                continue
    models_of_maps = [m for shape in MAPS for dtype in ("int8", "float32") for m in reductions(shape, dtype)]
    for model in [case.build() for case in random_cases(7, 120)] + models_of_maps + of_sizes():
        found += list(load_tflite(model, "case").nodes())
    return [n for node in found if _usable(node) for n in (node, *resized(node))]


def reductions(x: tuple[int, int, int, int], dtype: str) -> list[bytes]:
    """Pools and means of maps of some size."""
    found = [mean(x, (1, 2), dtype=dtype), mean(x, (2,), dtype=dtype)]
    for builtin in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        found += [
            pool(builtin, x=x, filter=x[1:3], stride=(1, 1), dtype=dtype),
            pool(builtin, x=x, dtype=dtype),
            pool(builtin, x=x, filter=(3, 3), padding="same", dtype=dtype),
        ]
    return found


def of_sizes() -> list[bytes]:
    """Operators with an axis whose test cases have few sizes."""
    shapes = ((1, 10), (1, 200), (6, 40), (40, 6), (64, 33))
    types = ("float32", "int32")
    found = [extremum(b, s, -1, dtype=t) for b in ("ARG_MAX", "ARG_MIN") for t in types for s in shapes]
    found += [extremum("ARG_MAX", (5, 30, 4), axis, dtype=t) for axis in (0, 1) for t in types]
    quants = [{"scale": 0.5, "zero_point": 3}, {"scale": 0.31, "zero_point": 200}, {"scale": 0.25, "zero_point": 9}]
    for shape, lengths in (((1, 8), (5, 8)), ((30, 1), (3, 20)), ((4, 4, 1), (16, 8, 16)), ((64, 1), (1, 1, 2))):
        of_inputs = quants[: len(lengths)]
        found.append(concatenation(shape, lengths, -1, "uint8", quants=of_inputs, y_quant=quants[0]))
    return found


def resized(node: Node) -> list[Node]:
    """The operator on tensors of other sizes, where all of its tensors have the same shape and none is constant."""
    tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
    if any(t.is_constant or t.variable or t.shape != node.y.shape for t in tensors) or node.op.attrs.keys() & WINDOWS:
        return []

    def as_shape(t: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
        return None if t is None else t.replace(shape=shape)

    return [
        Node(node.op, tuple(as_shape(t, s) for t in node.inputs), tuple(t.replace(shape=s) for t in node.outputs))
        for s in ((1, 1), (1, 5), (1, 16), (12, 3), (1, 200), (7, 48))
    ]


def model_nodes() -> list[Node]:
    """The layers of the models at hand, as they are planned."""
    found: list[Node] = []
    with tempfile.TemporaryDirectory(prefix="mcu-gen-rates-") as folder:
        own = models([], Path(folder)).values()
        for path in sorted({*own, *(SHARED / "models").glob("*.tflite")}):
            try:
                found += list(api.load(path).nodes())
            except McuGenError:  # a model that is not supported
                continue
    return [n for n in found if _usable(n)]


def measurable(target: Target, *, of_training: bool = False) -> list[Kernel]:
    """The kernels that count their work and claim the target: those of model files, or those of training steps."""
    own = [k for k in kernels() if set(k.features) <= set(target.features) and k.is_of_training == of_training]
    return [k for k in own if type(k).cost is Kernel.cost and not k.alias]


def _distinct(nodes: Sequence[Node], kernel: Kernel, target: Target, most: int) -> list[Node]:
    """Nodes of different work, from everywhere in the list."""
    found: dict[tuple[tuple[str, float], ...], Node] = {}
    for node in nodes:
        if node.type in kernel.ops and kernel.rejects(node, target) is None:
            found.setdefault(tuple(sorted(kernel.work(node, target).items())), node)
    kept = list(found.values())
    return [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(int))]


def _told_apart(work: Sequence[Mapping[str, float]]) -> list[str]:
    """The units that samples tell apart.  Where all samples have one size, any unit explains them, and ``call`` is left
    out: predictions of other sizes shall grow with them."""
    units = sorted({u for w in work for u in w if w[u] > 0.0})
    amounts = np.array([[w.get(u, 0.0) for u in units] for w in work])
    alike = bool((amounts * amounts[0].max() == amounts[0] * amounts.max(axis=1, keepdims=True)).all())
    return [u for u in units if u != "call"] or units if alike else units


def fitted(samples: Sequence[Sample], weights: Sequence[float], target: Target) -> dict[str, float]:
    """Rates of one kernel from its samples."""
    work = [s.kernel.work(s.node, target) for s in samples]
    units = _told_apart(work)
    spent = np.array([s.instructions for s in samples], np.float64)
    scale = np.array(weights) / spent
    matrix = np.array([[w.get(u, 0.0) for u in units] for w in work]) * scale[:, None]
    size = np.maximum(np.abs(matrix).max(axis=0), 1e-300)  # columns of one magnitude: the solver is happier
    rates, _ = nnls(matrix / size, spent * scale, maxiter=100 * len(units))
    rates = np.where(rates > 1e-6, rates, 0.0)  # what rounding leaves of a zero
    return {u: float(f"{r:.4g}") for u, r in zip(units, rates / size, strict=True) if r > 0.0}


def errors(samples: Sequence[Sample], rates: Rates, target: Target) -> np.ndarray:
    """Relative errors of the predictions, in percent."""
    told = [sum(rates.get(u, 0.0) * n for u, n in s.kernel.work(s.node, target).items()) for s in samples]
    found: np.ndarray = 100.0 * (np.array(told) / np.array([s.instructions for s in samples]) - 1.0)
    return found


Job = tuple[Kernel, list[Node], list[Node]]


def jobs(target: Target, names: Sequence[str]) -> list[Job]:
    """Every kernel with the layers that it is measured with: of cases, and of models."""
    cases, layers = case_nodes(), model_nodes()
    found = [
        (k, _distinct(cases, k, target, CASES), _distinct(layers, k, target, LAYERS))
        for k in measurable(target)
        if not names or k.name in names
    ]
    return [job for job in found if job[1] or job[2]]


def measure(target: Target, names: Sequence[str]) -> Iterator[tuple[Kernel, list[Sample], list[Sample]]]:
    """Every kernel with its samples of cases and of models."""
    todo = jobs(target, names)
    samples = count_layers([(k, [*of_cases, *of_models]) for k, of_cases, of_models in todo], target)
    for kernel, of_cases, of_models in todo:
        own, samples = samples[: len(of_cases) + len(of_models)], samples[len(of_cases) + len(of_models) :]
        assert all(s.kernel is kernel for s in own), kernel.name
        yield kernel, own[: len(of_cases)], own[len(of_cases) :]


def measure_training(target: Target, names: Sequence[str]) -> Iterator[tuple[Kernel, list[Sample], list[Sample]]]:
    """Every kernel of training with its samples, all of them of whole steps."""
    wanted = {k.name: k for k in measurable(target, of_training=True) if not names or k.name in names}
    found: dict[str, list[Sample]] = {}
    for sample in count_steps(target) if wanted else ():
        found.setdefault(sample.kernel.name, []).append(sample)
    for name in sorted(found.keys() & wanted.keys()):
        yield wanted[name], [], found[name]


def write(isa: str, found: Mapping[str, Rates], key: str = "rates") -> None:
    """Puts numbers per kernel into the file, a line each, under ``key``."""
    data = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
    known = data.setdefault(key, {})
    known[isa] = {**known.get(isa, {}), **found}
    parts = []
    for name in ("rates", "events"):
        sets = []
        for feature in (i for i in MEASURED if i in data.get(name, {})):
            of_set = data[name][feature]
            lines = ",\n".join(f"   {json.dumps(k)}: {json.dumps(of_set[k])}" for k in sorted(of_set))
            sets.append(f"  {json.dumps(feature)}: {{\n{lines}\n  }}")
        text = ",\n".join(sets)
        parts.append(f' "{name}": {{\n{text}\n }}')
    text = ",\n".join(parts)
    FILE.write_text(f'{{\n "schema": 1,\n{text}\n}}\n', "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=list(MEASURED), help="an instruction set (default: all)")
    parser.add_argument("--kernel", action="append", default=[], help="a kernel (default: all)")
    parser.add_argument("--training", action="store_true", help="kernels of training steps alone")
    parser.add_argument("--write", action="store_true", help="put the rates into rates.json")
    options = parser.parse_args()
    for isa in options.isa or list(MEASURED):
        target = load_target(MEASURED[isa])
        found: dict[str, Rates] = {}
        measured = [] if options.training else measure(target, options.kernel)
        for kernel, of_cases, of_models in chain(measured, measure_training(target, options.kernel)):
            weights = [1.0] * len(of_cases) + [LAYER_WEIGHT] * len(of_models)
            found[kernel.name] = fitted([*of_cases, *of_models], weights, target)
            parts = []
            for what, samples in (("cases", of_cases), ("layers", of_models)):
                if samples:
                    off = errors(samples, found[kernel.name], target)
                    spread = f"{off.min():+.1f} .. {off.max():+.1f} %, {float(np.abs(off).mean()):.1f} % on average"
                    parts.append(f"{len(samples)} {what} {spread}")
            print(f"{isa or 'plain'} {kernel.name}: {'; '.join(parts)}", flush=True)
        if options.write:
            write(isa, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
