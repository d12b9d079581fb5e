"""A network whose input is standardized by the running statistics of the stream (TinyOL, Ren et al. 2021).

The inference standardizes by what was seen before; a training step then lets the sample in.
"""

from __future__ import annotations

from mcu_gen.errors import UnsupportedModelError
from mcu_gen.graph import DType, Graph, Op, Tensor


def standardized(graph: Graph) -> Graph:
    """``graph`` with STANDARDIZE at its input; the statistics are variables.

    Raises:
        UnsupportedModelError: the network has several inputs, or one that is not float32.
    """
    name = graph.inputs[0]
    x = graph.tensors[name]
    if len(graph.inputs) != 1 or x.dtype is not DType.FLOAT32 or not x.shape:
        found = ", ".join(f"{n} {graph.tensors[n].dtype.value}" for n in graph.inputs)
        raise UnsupportedModelError(
            f"running normalization takes one float32 input, the network has {found}", where="--train ...,normalize="
        )
    out = graph.copy()
    statistics = out.add_tensor(
        Tensor(out.unique_name(f"{name}.statistics"), (2, x.shape[-1]), DType.FLOAT32, variable=True)
    )
    count = out.add_tensor(Tensor(out.unique_name(f"{name}.count"), (1,), DType.FLOAT32, variable=True))
    own = out.add_tensor(Tensor(out.unique_name(f"{name}.standardized"), x.shape, DType.FLOAT32)).name
    renamed = [op.replace(inputs=tuple(own if n == name else n for n in op.inputs)) for op in graph.ops]
    out.ops = [Op(own, "standardize", (name, statistics.name, count.name), (own,)), *renamed]
    return out


def append_statistics(graph: Graph) -> None:
    """Appends the update of the statistics that :func:`standardized` reads, if there are any."""
    for op in graph.ops:
        if op.type == "standardize":
            x, statistics, count = op.inputs
            assert x is not None
            assert statistics is not None
            assert count is not None
            name = graph.unique_name(f"{statistics}.update")
            graph.ops.append(Op(name, "running_statistics", (x, statistics, count), (statistics, count)))
            return
