"""TensorFlow's gradients: from the file that is committed, or computed now in a child process.

``python -m train.oracle PYTHON`` (in ``tests/``) makes ``gradients.npz`` again; PYTHON is an interpreter that has
TensorFlow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import mcu_gen.ops  # noqa: F401  registers the operators
from train.networks import NETWORKS, Network, build

HERE = Path(__file__).parent
COMMITTED = HERE / "gradients.npz"

#: Deadline of the child, seconds: importing TensorFlow takes most of it.
DEADLINE_S = 300


def interpreter() -> str | None:
    """A Python that has TensorFlow: this one, or the one that MCU_GEN_TENSORFLOW names."""
    own = sys.executable if importlib.util.find_spec("tensorflow") is not None else None
    return os.environ.get("MCU_GEN_TENSORFLOW", own)


def inputs_of(networks: Sequence[Network]) -> dict[str, np.ndarray]:
    """What ``tape.py`` reads."""
    found: dict[str, np.ndarray] = {"networks": np.array(json.dumps([n.plain() for n in networks]))}
    for network in networks:
        build(network)
        found |= {f"{network.name}/{k}": v for k, v in network.arrays.items()}
    return found


def tape_gradients(networks: Sequence[Network], python: str, folder: Path) -> dict[str, np.ndarray]:
    """Losses and gradients of ``networks`` from GradientTape in float64."""
    np.savez(folder / "in.npz", **inputs_of(networks))  # type: ignore[arg-type]
    command = [python, str(HERE / "tape.py"), str(folder / "in.npz"), str(folder / "out.npz")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "out.npz") as data:
        return dict(data)


def packed(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Many small arrays as few long ones: an entry of a .npz file costs 250 bytes."""
    index = {k: [v.dtype.str, *v.shape] for k, v in arrays.items()}
    dtypes = sorted({v.dtype.str for v in arrays.values()})
    flat = {t: np.concatenate([v.reshape(-1) for v in arrays.values() if v.dtype.str == t]) for t in dtypes}
    return {"index": np.array(json.dumps(index)), **flat}


def unpacked(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What :func:`packed` was given."""
    found, used = {}, dict.fromkeys(data, 0)
    for key, (dtype, *shape) in json.loads(str(data["index"])).items():
        start = used[dtype]
        used[dtype] += int(np.prod(shape))
        found[key] = data[dtype][start : used[dtype]].reshape(shape)
    return found


def committed() -> tuple[list[Network], Mapping[str, np.ndarray]]:
    """The networks of ``networks.py`` with the arrays that the committed gradients belong to, and those gradients."""
    with np.load(COMMITTED) as file:
        plain, data = json.loads(str(file["networks"])), unpacked({k: file[k] for k in file if k != "networks"})
    assert plain == json.loads(json.dumps([n.plain() for n in NETWORKS])), "make gradients.npz again (see above)"
    found = []
    for network in NETWORKS:
        arrays = {
            k.removeprefix(f"{network.name}/"): v
            for k, v in data.items()
            if k.startswith(f"{network.name}/") and k.count("/") == 1 and not k.endswith("/loss")
        }
        found.append(Network(network.name, network.input, network.layers, network.loss, arrays))
    return found, data


def write(python: str, folder: Path) -> None:
    """Makes the committed file; gradients in float32, the bound of the tests is 1e-5."""
    arrays = inputs_of(NETWORKS)
    networks = arrays.pop("networks")
    gradients = {k: v.astype(np.float32) for k, v in tape_gradients(NETWORKS, python, folder).items()}
    np.savez_compressed(COMMITTED, networks=networks, **packed(arrays | gradients))  # type: ignore[arg-type]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write(sys.argv[1], Path(temporary))
