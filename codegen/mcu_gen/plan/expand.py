"""Which layers keep their weights as int16 in flash: the most instructions saved within a limit of flash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mcu_gen.graph import Graph, Node
from mcu_gen.kernels.contract import Kernel, kernels
from mcu_gen.kernels.contract import select as cheapest
from mcu_gen.plan.constants import constant_bytes
from mcu_gen.targets import Target

#: Cells of the table over bytes: up to so many multiples of 4 bytes the choice is exact.
CELLS = 1 << 16


def expanded_kernel(node: Node, target: Target) -> Kernel | None:
    """The cheapest kernel with expanded weights that serves ``node``; None where there is none."""
    able = [
        k
        for k in kernels()
        if k.expanded
        and node.type in k.ops
        and all(f in target.features for f in k.features)
        and k.rejects(node, target) is None
    ]
    return min(able, key=lambda k: k.cost(node, target), default=None)


@dataclass(frozen=True)
class ExpandedChoice:
    """A choice of kernels: the cheapest, with expanded weights where ``weights`` names the tensor."""

    weights: frozenset[str]

    def __call__(self, node: Node, target: Target) -> Kernel:
        found = expanded_kernel(node, target) if _weights_of(node) in self.weights else None
        return found or cheapest(node, target)


@dataclass(frozen=True)
class Option:
    """A tensor of weights that may be expanded: what that costs in flash, and saves in predicted instructions."""

    weights: str
    bytes: int
    saved: int


def _weights_of(node: Node) -> str:
    """The name of its weights, "" without such."""
    tensor = node.inputs[1] if len(node.inputs) > 1 else None
    return tensor.name if tensor is not None and tensor.is_constant else ""


def options(graph: Graph, target: Target) -> list[Option]:
    """The weights of ``graph`` whose expansion saves instructions; layers that share a tensor decide together."""
    bytes_more: dict[str, int] = {}
    saved: dict[str, int] = {}
    for node in graph.nodes():
        name = _weights_of(node)
        wide = expanded_kernel(node, target) if name else None
        if wide is None:
            continue
        plain = cheapest(node, target)
        spent, spared = (constant_bytes(Graph(""), [(node, k)], target) for k in (wide, plain))
        bytes_more[name] = max(bytes_more.get(name, 0), spent - spared)
        saved[name] = saved.get(name, 0) + plain.cost(node, target) - wide.cost(node, target)
    return [Option(n, bytes_more[n], saved[n]) for n in bytes_more if saved[n] > 0]


def most_saved(offers: Sequence[Option], room: int) -> list[Option]:
    """The options that save most within ``room`` bytes (0/1 knapsack, by dynamic programming over bytes).

    Bytes are counted in units of 4, or of a 65,536th of the room where that is more, rounded up.
    """
    unit = max(4, -(-room // CELLS))
    cells = room // unit
    if room < 0:
        return []
    best = np.zeros(cells + 1, np.int64)
    taken = np.zeros((len(offers), cells + 1), bool)
    for index, offer in enumerate(offers):
        size = max(0, -(-offer.bytes // unit))
        if size > cells:
            continue
        other = best[: cells + 1 - size] + offer.saved
        better = other > best[size:]
        taken[index, size:] = better
        best[size:] = np.where(better, other, best[size:])
    found: list[Option] = []
    at = cells
    for index in reversed(range(len(offers))):
        if taken[index, at]:
            found.append(offers[index])
            at -= max(0, -(-offers[index].bytes // unit))
    return found[::-1]


def smallest_bytes(graph: Graph, target: Target) -> int:
    """Bytes of weights and tables, layer by layer, where no weights are expanded."""
    return _total(graph, target, ())


def _total(graph: Graph, target: Target, chosen: Iterable[Option]) -> int:
    choice = ExpandedChoice(frozenset(o.weights for o in chosen))
    return constant_bytes(graph, [(n, choice(n, target)) for n in graph.nodes()], target)


def expand(graph: Graph, target: Target, limit: int) -> ExpandedChoice:
    """The choice of kernels that saves the most instructions with at most ``limit`` bytes of weights and tables.

    They are counted layer by layer.  Where even weights of 8 bits take more, none are expanded.
    """
    chosen = most_saved(options(graph, target), limit - smallest_bytes(graph, target))
    # equal arrays of two layers count once only as long as both have them
    while chosen and _total(graph, target, chosen) > limit:
        chosen.remove(min(chosen, key=lambda o: o.saved / max(o.bytes, 1)))
    return ExpandedChoice(frozenset(o.weights for o in chosen))
