"""What the import says about operators: how many inputs they take, and the way out where one is not supported."""

from __future__ import annotations

import mcu_gen.ops  # noqa: F401  (fills the registry)
from mcu_gen.graph import Operator, operators

#: Inputs of builtin operators, ``(fewest, most)``, as LiteRT's kernels check them.
ARITY: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), (2, 3)),
    **dict.fromkeys(
        ("ADD", "SUB", "MUL", "MEAN", "PAD", "EXPAND_DIMS", "TRANSPOSE", "RESIZE_NEAREST_NEIGHBOR"), (2, 2)
    ),
    **dict.fromkeys(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D", "SQUEEZE", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU"), (1, 1)
    ),
    **dict.fromkeys(("LOGISTIC", "TANH", "HARD_SWISH", "SOFTMAX", "QUANTIZE", "DEQUANTIZE"), (1, 1)),
    **dict.fromkeys(("MAXIMUM", "MINIMUM", "SUM", "PRELU", "SQUARED_DIFFERENCE"), (2, 2)),
    **dict.fromkeys(("BATCH_MATMUL", "BROADCAST_TO", "RESIZE_BILINEAR", "ARG_MAX", "ARG_MIN"), (2, 2)),
    **dict.fromkeys(("ELU", "GELU", "RSQRT", "LOG_SOFTMAX", "L2_NORMALIZATION", "NEG", "SQUARE"), (1, 1)),
    "PADV2": (3, 3),
    "SVDF": (5, 5),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (20, 24),
    "SPLIT": (2, 2),
    "PACK": (1, 1 << 16),
    "UNPACK": (1, 1),
    "TRANSPOSE_CONV": (3, 4),
    "RESHAPE": (1, 2),
    "CONCATENATION": (1, 1 << 16),
    "SLICE": (3, 3),
    "STRIDED_SLICE": (4, 4),
}

#: Builtin operators that move elements and never look at them: they take 8- and 16-bit tensors without quantization.
MOVERS = frozenset(
    (
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "PAD", "PADV2"),
        *("RESIZE_NEAREST_NEIGHBOR", "SPLIT", "PACK", "UNPACK", "BROADCAST_TO"),
    )
)

#: The way out for operators that were quantized to uint8 by TensorFlow 1.
LEGACY_FIX = "uint8 operators are TensorFlow 1's quantization; convert the model again with int8 quantization"

#: The nearest supported thing, for operators that models often hold.
FIXES = {
    "ABS": "relu(x) + relu(-x)",
    "BATCH_TO_SPACE_ND": "a convolution with dilation_rate instead of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND",
    "CAST": "feed and read the model in the type of its layers",
    "CONV_3D": "CONV_2D over the folded dimension",
    "DIV": "MUL by the reciprocal, when the divisor is constant",
    "EXP": "SOFTMAX or LOGISTIC",
    "LSTM": "unroll the layer (keras: unroll=True), or a temporal convolution",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "unroll the layer (keras: unroll=True), or a temporal convolution",
    "WHILE": "unroll the loop (keras: unroll=True)",
    "MIRROR_PAD": "PAD",
    "SPLIT_V": "one SLICE per part",
    "GATHER": "SLICE or STRIDED_SLICE, when the indices are a range",
    "RELU_0_TO_1": "RELU6",
    "SHAPE": "fix the input shape before converting, so that shapes are constants",
    "SPACE_TO_BATCH_ND": "a convolution with dilation_rate instead of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND",
}


def by_builtin() -> dict[str, Operator]:
    """The supported operators by their name in the TFLite schema."""
    return {op.builtin: op for op in operators() if op.builtin}


def why_unsupported(builtin: str, custom: str) -> str:
    """The reason for which there is no such operator here, with the nearest fix."""
    if builtin == "CUSTOM":
        if custom.startswith("Flex"):
            return f"custom operator {custom} needs TensorFlow itself; convert with TFLITE_BUILTINS only"
        return f"custom operator {custom or '(no name)'} is not supported"
    fix = FIXES.get(builtin)
    return f"operator {builtin} is not supported" + (f"; use {fix}" if fix else "")
