"""What TensorFlow Lite Micro needs for the same model, measured by running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcu_gen.run.oracle import oracle_version, tflm_arena_bytes

_NOTE = (
    "Arena of TensorFlow Lite Micro: measured with its interpreter on this machine. It holds activations, scratch and "
    "the interpreter's own structures, whose pointers take 8 bytes here and 4 on a microcontroller. Its code, operator "
    "tables and stack come on top, as ours do."
)


def tflm_memory(model: bytes | Path | None) -> dict[str, Any]:
    """``{"arena_bytes", "version", "note"}``, or ``{"arena_bytes": None, "why"}`` where there is no figure.

    Args:
        model: a .tflite file or its bytes; None when the project's model is not at hand.
    """
    if model is None:
        return {"arena_bytes": None, "why": "the model file is not at hand (--model)"}
    version = oracle_version("tflm")
    if version is None:
        return {"arena_bytes": None, "why": "the package tflite-micro is not installed (pip install 'mcu-gen[tflm]')"}
    arena = tflm_arena_bytes(model)
    if arena is None:
        return {"arena_bytes": None, "why": f"tflite-micro {version} does not run this model"}
    return {"arena_bytes": arena, "version": version, "note": _NOTE}
