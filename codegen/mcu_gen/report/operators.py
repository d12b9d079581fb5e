"""The supported operators with their rules, read from ``ops/`` and ``kernels/`` (``mcu-gen ops``, ``docs/ops.md``)."""

from __future__ import annotations

from typing import Any

import mcu_gen.ops  # noqa: F401  (registers the operators)
from mcu_gen.graph.operator import Operator, operators
from mcu_gen.kernels import kernels
from mcu_gen.targets import Target
from mcu_gen.train import trainable_operators

_HEADER = """\
# Operators

<!-- Made by `mcu-gen ops --format md`; change the docstrings in codegen/mcu_gen/ops/ and run `make docs`. -->

A model is refused at import, with all reasons at once, when it holds an operator that is not in this list or that
breaks one of its rules.
"""


def rule(constraint: Any) -> str:
    """The rule that a constraint checks, as one line."""
    return " ".join((constraint.__doc__ or constraint.__name__).split())


def operator_data(target: Target | None = None, *, train: bool = False) -> list[dict[str, Any]]:
    """One record per operator: name, TFLite name, element types, rules, and the kernels that serve it.

    Args:
        target: only kernels whose instruction-set needs it meets, and operators that then have one; all when left out.
        train: only operators that gradients pass through.
    """
    found = []
    trainable = set(trainable_operators())
    for op in operators():
        if not op.builtin:
            continue  # operators of a training step, which no model file holds
        serving = [
            k.name
            for k in kernels()
            if op.name in k.ops and (target is None or all(f in target.features for f in k.features))
        ]
        if (target is not None and not serving) or (train and op.name not in trainable):
            continue
        found.append(
            {
                "name": op.name,
                "builtin": op.builtin,
                "dtypes": [d.value for d in op.dtypes],
                "constraints": [rule(c) for c in op.constraints],
                "kernels": serving,
                "trainable": op.name in trainable,
                "summary": summary(op),
            }
        )
    return found


def summary(op: Operator) -> str:
    """The first sentence of what an operator's class says about itself."""
    text = " ".join((type(op).__doc__ or "").split())
    return text.split(". ")[0].rstrip(".")


def operators_markdown(target: Target | None = None, *, train: bool = False) -> str:
    """The list as a Markdown page."""
    lines = [_HEADER]
    if target is not None:
        lines.append(f"For the board `{target.name}` ({target.title}).\n")
    data = operator_data(target, train=train)
    lines += ["| operator | TFLite | element types |", "|---|---|---|"]
    for op in data:
        lines.append(f"| [{op['name']}](#{op['name']}) | {op['builtin'] or '-'} | {', '.join(op['dtypes'])} |")
    for op in data:
        lines.append(f"\n## {op['name']}\n")
        if op["summary"]:
            lines.append(f"{op['summary']}.\n")
        lines.append(f"- element types of the first input: {', '.join(op['dtypes']) or 'any'}")
        lines.append(f"- kernels: {', '.join(f'`{k}`' for k in op['kernels']) or '-'}")
        lines += ["- training: gradients pass through it in float32"] if op["trainable"] else []
        lines += [f"- {text}" for text in op["constraints"]]
    return "\n".join(lines) + "\n"
