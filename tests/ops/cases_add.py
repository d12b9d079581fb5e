"""ADD: broadcasts, activations, ratios of scales, both rules for int16, wrap-around in int32."""

from __future__ import annotations

import numpy as np

from support.sums import case, common_cases

_ENDS = np.array([-(2**31), 2**31 - 1, -1, 0, 1, 2**30], np.int32)
_PAIRS = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128, 5), indexing="ij")
_ALL = [[p.astype(np.int8) for p in _PAIRS]]

CASES = [
    *common_cases("ADD"),
    *(
        case("ADD", f"int8 scales {s}", "int8", scales=s, shapes=(_PAIRS[0].shape,) * 2, inputs=_ALL)
        for s in (
            (0.1, 0.1, 0.1),
            (0.1, 0.1, 0.2),
            (0.1, 0.05, 0.1),
            (1.0, 1e-3, 1.0),
            (1e-3, 1.0, 0.9),
            (1.0, 1e-12, 1.0),
            (0.5, 0.3, 2e-6),
            (0.01, 0.02, 30.0),
            (float(np.nextafter(np.float32(1), np.float32(0))), 1.0, 1.0),
        )
    ),
    *(
        case("ADD", f"int16 scales {s}", "int16", scales=s)
        for s in ((1e-3, 1e-3, 1e-3), (1e-3, 2e-7, 1e-3), (3e-4, 3e-4, 5e-8), (2**-12, 2**-12, 2**-11))
    ),
    *(
        case(
            "ADD",
            f"int16 powers of two {a} {s}",
            "int16",
            quick=s[1] == 2**-14,
            scales=s,
            activation=a,
            pot_scale_int16=True,
        )
        for s in ((2**-11, 2**-11, 2**-11), (2**-11, 2**-14, 2**-11), (2**-12, 2**-11, 2**-11), (2**-2, 2**-17, 2**-2))
        for a in ("none", "relu6")
    ),
    case("ADD", "int16 asks for powers of two in vain", "int16", pot_scale_int16=True),
    case("ADD", "int32 wraps", "int32", shapes=((6,), (6,)), inputs=[[_ENDS, _ENDS], [_ENDS, _ENDS[::-1].copy()]]),
]
