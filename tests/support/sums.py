"""The cases that ADD, SUB and MUL have in common."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.elementwise import binary
from support.three_way import Case

#: Broadcasts: on either side, inside, several at once, at different ranks.
BROADCASTS = (
    ((2, 3, 5), (5,)),
    ((5,), (2, 3, 5)),
    ((2, 3, 5), (2, 1, 5)),
    ((2, 1, 5), (1, 3, 1)),
    ((1, 4, 4, 6), (1, 1, 1, 6)),
    ((1, 4, 4, 6), (1, 4, 4, 1)),
    ((1,), (3, 7)),
    ((3, 7), (1, 1)),
    ((2, 3), (1, 2, 3)),
    ((1, 1), (1,)),
    ((2, 1, 3, 1, 2, 1), (1, 2, 1, 3, 1, 2)),
)
ACTIVATIONS = ("relu", "relu6", "relu_n1_to_1")

_SCALES = {"int8": (0.05, 0.03, 0.06), "int16": (3e-4, 2e-4, 4e-4), "int32": (1, 1, 1), "float32": (1, 1, 1)}


def case(op: str, name: str, dtype: str, quick: bool = False, inputs: Any = None, **more: Any) -> Case:
    """A case of ``op``; the scales suit the type unless they are given."""
    options = {"scales": _SCALES[dtype], **more}
    if op != "MUL":
        options.setdefault("pot_scale_int16", False)
    return Case(name, partial(binary, op, dtype=dtype, **options), inputs, quick=quick)


def common_cases(op: str) -> list[Case]:
    """Broadcasts, constants, activations and in-place pairs for every type."""
    out = []
    for dtype in ("int8", "int16", "int32", "float32"):
        out.append(case(op, f"{dtype} same shape", dtype, quick=True))
        for a, b in BROADCASTS:
            quick = dtype == "int8" and len(a) == 6
            out.append(case(op, f"{dtype} {list(a)} {list(b)}", dtype, quick, shapes=(a, b)))
        for which in (0, 1):
            out.append(case(op, f"{dtype} constant {which}", dtype, constant=which))
            shapes = ((3, 40), (40,)) if which else ((40,), (3, 40))
            out.append(case(op, f"{dtype} constant vector {which}", dtype, constant=which, shapes=shapes))
        out.append(
            case(
                op,
                f"{dtype} twice the same",
                dtype,
                same=True,
                scales=(_SCALES[dtype][0],) * 2 + _SCALES[dtype][2:],
                zero_points=(3, 3, 5),
            )
        )
        out += [case(op, f"{dtype} {a}", dtype, activation=a) for a in ACTIVATIONS]
    out += [
        case(op, f"int8 zero points {z}", "int8", zero_points=z)
        for z in ((-128, -128, -128), (127, 127, 127), (-128, 127, 0), (0, 0, 0))
    ]
    return out
