"""MUL: broadcasts, activations, ratios of scales, wrap-around in int32."""

from __future__ import annotations

import numpy as np

from support.sums import case, common_cases

_ENDS = np.array([-(2**31), 2**31 - 1, -1, 65537, 3, 2**30], np.int32)
_PAIRS = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 5), indexing="ij")
_ALL = [[p.astype(np.int8) for p in _PAIRS]]

CASES = [
    *common_cases("MUL"),
    *(
        case("MUL", f"int8 scales {s} {z}", "int8", scales=s, zero_points=z, shapes=(_PAIRS[0].shape,) * 2, inputs=_ALL)
        for s in (
            (0.1, 0.1, 0.1),
            (0.5, 0.5, 2.0),
            (1.0, 1.0, 0.5),
            (7.0, 9.0, 0.1),
            (1e-3, 1e-3, 1.0),
            (300.0, 400.0, 0.01),
        )
        for z in ((0, 0, 0), (-128, 127, -128))
    ),
    *(
        case("MUL", f"int16 scales {s}", "int16", scales=s)
        for s in ((3e-4, 3e-4, 3e-3), (1e-3, 1e-3, 1e-4), (2**-15, 2**-15, 2**-15), (1e-6, 1e-6, 1.0), (0.1, 0.1, 1e-4))
    ),
    case("MUL", "int32 wraps", "int32", shapes=((6,), (6,)), inputs=[[_ENDS, _ENDS], [_ENDS, _ENDS[::-1].copy()]]),
]
