"""The contract of a kernel, and the registry that the files of ``kernels/`` fill.

A kernel declares itself once: the template that holds its C, the operator it serves, when it may be used (predicate),
how much scratch it needs, how far its output may overlap its input, and its cost.  Planner and emitter ask the same
object, so the size that is planned is the size that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Node, operator
from mcu_gen.kernels.rates import instructions, rates_of
from mcu_gen.targets import Target

#: Instructions per unit of work of a new kernel, until its rates are measured (a test fails as long as they are not).
UNMEASURED = 1.0

#: Element types by the names that templates use.
ELEMENTS = {"f32": DType.FLOAT32, "f16": DType.FLOAT16}


@dataclass(frozen=True, eq=False)
class Array:
    """A constant array that the emitter writes to flash once and names; NumPy dtype = C element type."""

    data: np.ndarray
    hint: str = "data"


@dataclass(frozen=True)
class CFloat:
    """A float parameter, written as an exact hexadecimal literal."""

    value: float


@dataclass(frozen=True)
class In:
    """Argument: pointer to input ``index`` (an activation in the arena, or a constant in flash).

    As a field of a parameter struct: the address of a variable tensor, which is the same in every inference.  NULL for
    an input that is absent.
    """

    index: int


#: Value of a field of a kernel's parameter struct: an integer, a float, an array in flash, an input, or NULL.
Value = int | CFloat | Array | In | None


@dataclass(frozen=True)
class Out:
    """Argument: pointer to output ``index``; NULL where the node has no such output."""

    index: int = 0


@dataclass(frozen=True)
class Scratch:
    """Argument: pointer to the step's scratch (only when :meth:`Kernel.scratch` is not 0, else NULL)."""


@dataclass(frozen=True)
class InputList:
    """Argument: a ``const void *const []`` of the inputs ``indices`` (for kernels of any arity)."""

    indices: tuple[int, ...]


@dataclass(frozen=True)
class OutputList:
    """Argument: a ``void *const []`` of the outputs ``indices``."""

    indices: tuple[int, ...]


Argument = In | Out | Scratch | InputList | OutputList


@dataclass(frozen=True)
class Call:
    """How the network calls a kernel for one node.

    The C call is ``<net>_<kernel>(&params, args...)``.  ``params`` initialises the fields of the struct
    ``<net>_<kernel>_params`` that the template declares; the struct is ``static const``, in flash.
    """

    params: Mapping[str, Value]
    args: tuple[Argument, ...] = (In(0), Out(0))


@dataclass(frozen=True)
class Tiling:
    """How a kernel runs on a rectangle of its output, for fused segments.

    Attributes:
        kind: ``window`` (the parameters have the fields ``in_h, in_w, in_pitch, out_h, out_w, out_pitch, pad_top``
            and ``pad_left``; pitches are pixels from row to row), ``place`` (the parameters are those of the whole map,
            but ``out_top, out_left, out_h, out_w`` name the rectangle to compute, ``in_top`` and ``in_left`` the pixel
            of the map that the input begins with, ``in_pitch`` and ``out_pitch`` the pixels from row to row; where
            ``several`` inputs are tiled, the fields of the input are arrays), or ``run`` (pixels lie one behind the
            other; ``field`` counts them), or ``reduce`` (see below).
        field: ``run`` and ``reduce``: the parameter to set, a number, or with ``indirect`` an array of one number.
        per_pixel: what the parameter counts for each pixel (1, or the channels).
        indirect: the field is a ``const uint32_t *``.
        signed: the field is an ``int32_t``, not a ``uint32_t``.
        position: ``reduce``: the parameter that says with which pixel of the map a call begins, "" where there is none.
        several: ``place``: the kernel takes a list of inputs.

    ``reduce`` is for kernels that sum over the whole map and can do so piece by piece: rows and columns are those of
    the *input*, each pixel is handed over once, in any order of tiles.  ``field`` counts the pixels of a call, the
    parameter ``part`` says which call it is: bit 0 the first, bit 1 the last.  Scratch keeps the sums.
    """

    kind: str
    field: str = ""
    per_pixel: int = 1
    indirect: bool = False
    signed: bool = False
    position: str = ""
    several: bool = False


class Kernel:
    """What the files of ``kernels/`` define.  Instances are stateless."""

    #: Name of the kernel and of its C function (with the network's prefix).
    name: ClassVar[str]
    #: Its template is ``kernels/TEMPLATE.c.j2``; "" stands for the name.
    template: ClassVar[str] = ""
    #: What several kernels of one template differ in: ``x`` and ``w`` are the elements (``f32``, ``f16``) of
    #: activations and of weights.
    elements: ClassVar[Mapping[str, str]] = {"x": "f32", "w": "f32"}
    #: No model file brings it about: it serves graphs that train.
    of_training: ClassVar[bool] = False
    #: Operator types (names in ``ops/``) that it serves.
    ops: ClassVar[tuple[str, ...]]
    #: Its weights take twice the flash of another kernel's that computes the same: it is only taken where a plan has a
    #: limit of flash that leaves room (:mod:`mcu_gen.plan.expand`).
    expanded: ClassVar[bool] = False
    #: Target features that its code needs (all of them); () is plain C99.
    features: ClassVar[tuple[str, ...]] = ()
    #: Headers of ``firmware/simd`` that define its verbs, beyond ``scalar.h``.
    definitions: ClassVar[tuple[str, ...]] = ()
    #: The output is input 0, byte for byte (reshape): the planner lets both share storage wherever that is legal, and
    #: the plan then has no step for the operator.  Where it is not (the input is a constant or a variable), the kernel
    #: is called and copies.
    alias: ClassVar[bool] = False

    #: It serves the tiles of fused segments alone; whole layers are left to others.
    tiles_only: ClassVar[bool] = False

    @property
    def is_of_training(self) -> bool:
        """Whether only graphs that train call it."""
        return self.of_training or not any(operator(o).builtin for o in self.ops)

    def rejects(self, node: Node, target: Target) -> str | None:
        """Why the kernel cannot serve ``node``, or None when it can (features are checked by the caller)."""
        raise NotImplementedError(self.name)

    def scratch(self, node: Node, target: Target) -> int:
        """Bytes of scratch it needs in the arena, exactly (16-byte aligned address)."""
        del node, target
        return 0

    def overlap(self, node: Node, target: Target) -> dict[tuple[int, int], int]:
        """Which outputs may overlap which inputs in memory, and by how much.

        ``{(input index, output index): lead}``: the kernel stays correct when the output starts at least ``lead`` bytes
        below the input (``address(output) + lead <= address(input)``), because every output byte is written only
        after the last input byte that lies at or below it has been read.  0 means in place.  Pairs not
        named must be disjoint.
        """
        del node, target
        return {}

    def tiling(self, node: Node, target: Target) -> Tiling | None:
        """How ``node`` can be computed tile by tile; None where the kernel needs whole maps."""
        del node, target
        return None

    def work(self, node: Node, target: Target) -> Mapping[str, float]:
        """What it does for ``node``, counted in units that its C shows: how often each loop and branch runs.

        ``rates.json`` says how many instructions a unit takes (:mod:`mcu_gen.kernels.rates`).
        """
        raise NotImplementedError(self.name)

    def cost(self, node: Node, target: Target) -> int:
        """Predicted instructions; the cheapest kernel that accepts a node is taken."""
        rates = rates_of((self.name, self.template), target)
        work = self.work(node, target)
        return instructions(dict.fromkeys(work, UNMEASURED) if rates is None else rates, work)

    def call(self, node: Node, target: Target) -> Call:
        """Parameters (packed weights included) and arguments of the C call."""
        raise NotImplementedError(self.name)


_REGISTRY: list[Kernel] = []


def kernel(cls: type[Kernel]) -> type[Kernel]:
    """Class decorator: makes a kernel known."""
    assert all(k.name != cls.name for k in _REGISTRY), f"kernel {cls.name} is defined twice"
    _REGISTRY.append(cls())
    return cls


def halves(*pairs: tuple[str, str]) -> Callable[[type[Kernel]], type[Kernel]]:
    """Class decorator of a float32 kernel with the attribute ``dtype``: makes kernels of its template known whose
    activations are halves, one per pair of elements of activations and weights, with the names of :func:`variants`.
    """

    def known(cls: type[Kernel]) -> type[Kernel]:
        for x, w in pairs or (("f16", "f16"),):
            name = cls.name.removesuffix("_f32") + (f"_{x}" if x == w else f"_{x}_{w}")
            fields = {
                "name": name,
                "template": cls.name,
                "elements": {"x": x, "w": w},
                "dtype": DType.FLOAT16,
                "of_training": True,
            }
            kernel(type(f"{cls.__name__}{x}{w}", (cls,), {**fields, "__doc__": cls.__doc__}))
        return cls

    return known


def variants(*pairs: tuple[str, str]) -> Callable[[type[Kernel]], type[Kernel]]:
    """Class decorator: makes one kernel known per pair of elements of activations and weights.

    ``name`` of the class is the template; the kernels are called ``NAME_f32``, ``NAME_f16``, and ``NAME_f16_f32`` for
    activations in halves with weights in float32.
    """

    def known(cls: type[Kernel]) -> type[Kernel]:
        for x, w in pairs:
            suffix = x if x == w else f"{x}_{w}"
            fields = {"name": f"{cls.name}_{suffix}", "template": cls.name, "elements": {"x": x, "w": w}}
            kernel(type(f"{cls.__name__}{suffix.title()}", (cls,), {**fields, "__doc__": cls.__doc__}))
        return cls

    return known


def kernels() -> list[Kernel]:
    """All kernels, in the order of their names."""
    return sorted(_REGISTRY, key=lambda k: k.name)


def select(node: Node, target: Target) -> Kernel:
    """The cheapest kernel that serves ``node`` on ``target``.

    Raises:
        UnsupportedModelError: none does; the error lists every candidate with the reason for which it was rejected.
    """
    reasons: list[str] = []
    best: Kernel | None = None
    best_cost = 0
    for k in kernels():
        if node.type not in k.ops or k.expanded or k.tiles_only:
            continue
        missing = [f for f in k.features if f not in target.features]
        why = f"needs {', '.join(missing)}" if missing else k.rejects(node, target)
        if why is not None:
            reasons.append(f"{k.name}: {why}")
            continue
        cost = k.cost(node, target)
        if best is None or cost < best_cost:
            best, best_cost = k, cost
    if best is None:
        raise UnsupportedModelError(
            f"no kernel for operator {node.type} on {target.name}", where=f"layer {node.name}", reasons=reasons
        )
    return best


def select_tiled(node: Node, target: Target, *, only_reduce: bool = False) -> Kernel | None:
    """The cheapest kernel that computes ``node`` tile by tile, or None; some kernels are there for that alone.

    One that reduces a map goes before all others; with ``only_reduce`` there are no others.
    """
    able = (k for k in kernels() if node.type in k.ops and not k.expanded)
    serving = [k for k in able if target.features.issuperset(k.features) and k.rejects(node, target) is None]
    tilings = {k: tiling for k in serving if (tiling := k.tiling(node, target)) is not None}
    found = [k for k, tiling in tilings.items() if tiling.kind == "reduce"] or ([] if only_reduce else list(tilings))
    return min(found, key=lambda k: (k.cost(node, target), k.name), default=None)
