"""Samples: data files and arrays as the inputs of a network, and its outputs as files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.errors import UsageError
from mcu_gen.graph import DType, Tensor

#: Arrays by tensor name, each with the samples along a new first axis.
Batch = dict[str, np.ndarray]

#: What callers may give: the array of the only input, or arrays by tensor name.
Data = np.ndarray | Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a network: what a caller must know of it.

    Attributes:
        scale, zero_point: the quantization of a per-tensor quantized tensor, else None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float | None = None
    zero_point: int | None = None

    @classmethod
    def of(cls, tensor: Tensor) -> TensorSpec:
        quant = tensor.quant if tensor.quant is not None and tensor.quant.scale.size == 1 else None
        scale, zero = (quant.s, quant.zp) if quant is not None else (None, None)
        return cls(tensor.name, tuple(tensor.shape), tensor.dtype, scale, zero)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorSpec:
        return cls(data["name"], tuple(data["shape"]), DType(data["dtype"]), data["scale"], data["zero_point"])

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __str__(self) -> str:
        return f"{self.name} ({self.dtype.value}[{', '.join(map(str, self.shape))}])"


def _core(shape: Sequence[int]) -> list[int]:
    return [d for d in shape if d != 1]


def split_samples(array: np.ndarray, spec: TensorSpec, where: str) -> np.ndarray:
    """``array`` as ``[samples, *spec.shape]``.

    The array is one sample, or has the samples along its first axis; axes of length 1 may be left out.

    Raises:
        UsageError: the shape fits neither.
    """
    core = _core(spec.shape)
    if array.size and array.size % max(spec.elements, 1) == 0:
        count = array.size // spec.elements
        one = count == 1 and _core(array.shape) == core
        many = array.ndim > 0 and array.shape[0] == count and _core(array.shape[1:]) == core
        flat = array.ndim == 2 and array.shape == (count, spec.elements)
        if one or many or flat:
            return array.reshape(count, *spec.shape)
    raise UsageError(
        f"array of shape {list(array.shape)} holds no whole samples of input {spec}",
        where=where,
        hints=[f"give [samples, {', '.join(map(str, spec.shape))}], or one sample of shape {list(spec.shape)}"],
    )


def to_dtype(array: np.ndarray, spec: TensorSpec, where: str) -> np.ndarray:
    """``array`` in the element type of ``spec``.

    Real numbers become quantized values as LiteRT's QUANTIZE makes them (round half away from zero, saturate); uint8
    images become int8 by subtracting 128; integers that fit are taken as they are.

    Raises:
        UsageError: the values do not fit the type, or are not finite.
    """
    wanted = spec.dtype.numpy
    if array.dtype == wanted:
        return array
    if array.dtype.kind not in "biuf":
        raise UsageError(f"elements of type {array.dtype} are no numbers", where=where)
    if array.dtype.kind == "f" and not np.isfinite(array).all() and not spec.dtype.is_float:
        raise UsageError(f"the array holds NaN or infinite values, but input {spec} is quantized", where=where)
    if spec.dtype.is_float:
        return array.astype(wanted)
    limits = np.iinfo(wanted)  # type: ignore[type-var]
    if array.dtype.kind == "f":
        if spec.scale is None:
            raise UsageError(
                f"real numbers cannot become {spec.dtype.value}: input {spec} has no scale", where=where,
                hints=[f"give an array of type {spec.dtype.value}"],
            )  # fmt: skip
        scaled = array.astype(np.float32) / np.float32(spec.scale)
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + (spec.zero_point or 0)
        clipped: np.ndarray = np.clip(rounded, limits.min, limits.max).astype(wanted)
        return clipped
    if array.dtype == np.uint8 and spec.dtype is DType.INT8:
        return (array.astype(np.int16) - 128).astype(np.int8)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise UsageError(
            f"values from {array.min()} to {array.max()} do not fit input {spec}", where=where,
            hints=[f"{spec.dtype.value} holds {limits.min} to {limits.max}"],
        )  # fmt: skip
    return array.astype(wanted)


def as_batch(data: Data, specs: Sequence[TensorSpec], where: str = "input") -> Batch:
    """``data`` as arrays ``[samples, *shape]`` of the inputs' own types, in their order.

    Raises:
        UsageError: an input is missing, shapes or types do not fit, or the inputs differ in their number of samples.
    """
    arrays = dict(data) if isinstance(data, Mapping) else None
    if arrays is None:
        if len(specs) != 1:
            raise UsageError(
                f"one array was given, but the model has {len(specs)} inputs: {', '.join(map(str, specs))}",
                where=where,
                hints=["give an .npz file with the names of the inputs"],
            )
        arrays = {specs[0].name: np.asarray(data)}
    batch: Batch = {}
    for spec in specs:
        if spec.name in arrays:
            array = arrays[spec.name]
        elif len(specs) == 1 and "x" in arrays:
            array = arrays["x"]
        else:
            raise UsageError(
                f"there is no array for input {spec}; there are: {', '.join(arrays) or 'none'}",
                where=where,
                hints=[f"name the arrays {', '.join(s.name for s in specs)}" + (" or x" if len(specs) == 1 else "")],
            )
        batch[spec.name] = to_dtype(split_samples(np.asarray(array), spec, where), spec, where)
    counts = {name: len(array) for name, array in batch.items()}
    if len(set(counts.values())) > 1:
        raise UsageError(f"the inputs have different numbers of samples: {counts}", where=where)
    return batch


def read_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an ``.npy`` file, or the arrays of an ``.npz`` file by name.

    Raises:
        UsageError: the file is missing or is neither.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise UsageError("there is no such file", where=str(path)) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise UsageError(
            f"cannot be read as .npy or .npz: {error}",
            where=str(path),
            hints=["write it with numpy.save or numpy.savez"],
        ) from None


def read_batch(path: Path, specs: Sequence[TensorSpec]) -> Batch:
    """A data file as the inputs of a network; an array ``y`` in it is left to :func:`read_labels`."""
    return as_batch(read_arrays(path), specs, where=str(path))


def read_labels(path: Path) -> np.ndarray | None:
    """The array ``y`` of an ``.npz`` file: int64[samples] class labels; None where there is none."""
    arrays = read_arrays(path)
    y = arrays.get("y") if isinstance(arrays, dict) else None
    return y.astype(np.int64).reshape(-1) if y is not None and y.dtype.kind in "iu" else None


def read_labelled(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Samples by name, and the labels ``y``, of an ``.npz`` file for training.

    Raises:
        UsageError: it cannot be read, or holds no labels or nothing else.
    """
    arrays = read_arrays(path)
    hints = ["give a .npz with the samples x and the labels y"]
    if not isinstance(arrays, dict):
        raise UsageError("this is one array, and there are no labels in it", where=str(path), hints=hints)
    if "y" not in arrays or len(arrays) == 1:
        what = "labels y" if "y" not in arrays else "samples"
        raise UsageError(f"there are no {what}; there are: {', '.join(arrays) or 'none'}", where=str(path), hints=hints)
    return {name: a for name, a in arrays.items() if name != "y"}, arrays["y"]


def random_batch(specs: Sequence[TensorSpec], samples: int, seed: int) -> Batch:
    """Pseudo-random inputs over the whole range of each type; the same seed gives the same samples.

    Samples 0 and 1 are the constants at both ends of the range, where saturation shows.  Real inputs are uniform in
    -1..1.  Index-like inputs (int32, int64) are 0 or 1, which is inside every table.
    """
    rng = np.random.default_rng(seed)
    batch: Batch = {}
    for spec in specs:
        shape = (samples, *spec.shape)
        if spec.dtype.is_float:
            x = rng.uniform(-1, 1, shape).astype(spec.dtype.numpy)
            low, high = -1.0, 1.0
        elif spec.dtype in (DType.INT32, DType.INT64, DType.BOOL):
            x = rng.integers(0, 2, shape).astype(spec.dtype.numpy)
            low, high = 0, 1
        else:
            limits = np.iinfo(spec.dtype.numpy)  # type: ignore[type-var]
            low, high = int(limits.min), int(limits.max)
            x = rng.integers(low, high + 1, shape).astype(spec.dtype.numpy)
        if samples > 2:
            x[0], x[1] = low, high
        batch[spec.name] = x
    return batch


def dequantize(array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Quantized values as real numbers (float32); others unchanged."""
    if spec.scale is None or spec.dtype.is_float:
        return array
    return ((array.astype(np.float64) - (spec.zero_point or 0)) * spec.scale).astype(np.float32)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes outputs: ``.npy`` for exactly one, ``.npz`` with the tensors' names for any number.

    Raises:
        UsageError: the suffix fits neither, or the file cannot be written.
    """
    try:
        if path.suffix == ".npy" and len(arrays) == 1:
            np.save(path, next(iter(arrays.values())))
        elif path.suffix == ".npz":
            np.savez(path, **arrays)  # type: ignore[arg-type]
        else:
            raise UsageError(
                f"{len(arrays)} outputs cannot be written to a file that ends in {path.suffix or 'nothing'}",
                where=str(path),
                hints=["end it in .npz" + (" or .npy" if len(arrays) == 1 else "")],
            )
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def unbatch(batch: Batch, specs: Sequence[TensorSpec]) -> list[list[np.ndarray]]:
    """Per sample the list of arrays in the order of ``specs``."""
    count = len(next(iter(batch.values()))) if batch else 0
    return [[batch[s.name][i] for s in specs] for i in range(count)]
