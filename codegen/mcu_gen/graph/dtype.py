"""Element types of tensors."""

from __future__ import annotations

import enum

import numpy as np


class DType(enum.Enum):
    """An element type; the value is its name in reports and in the wire format."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        return np.dtype(self.value)

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        info = np.iinfo(self.value)
        return int(info.min), int(info.max)

    @property
    def c_name(self) -> str:
        """The C99 type that holds one element (a half is stored as its 16 bits)."""
        return {
            "float32": "float",
            "float16": "uint16_t",
            "bool": "uint8_t",
        }.get(self.value, f"{self.value}_t")

    @property
    def is_float(self) -> bool:
        return self in (DType.FLOAT16, DType.FLOAT32)

    @classmethod
    def of(cls, array: np.ndarray) -> DType:
        return cls(array.dtype.name)
