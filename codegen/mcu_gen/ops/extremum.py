"""What MAXIMUM and MINIMUM have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mcu_gen.graph import Constraint, Node
from mcu_gen.ops.binary import Binary, shapes_broadcast, types_agree


class Extremum(Binary):
    """x0, x1 -> y of the broadcast shape, same type; codes are compared, whatever their scales (LiteRT does so too)."""

    constraints: ClassVar[Sequence[Constraint]] = (types_agree, shapes_broadcast)

    def choose(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The result of arrays that broadcast."""
        raise NotImplementedError(f"{self.name}: semantics")

    def attributes(self, options: Mapping[str, Any]) -> dict[str, Any]:
        del options
        return {}

    def evaluate(self, node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        x0, x1 = inputs[0], inputs[1]
        assert x0 is not None
        assert x1 is not None
        return [self.choose(x0, x1)]
