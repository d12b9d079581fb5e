"""Renders a complete PlatformIO project: network, runtime, board files, tests, ``mcu-gen.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcu_gen.emit.environment import render
from mcu_gen.emit.network import Provenance, c_identifier, model_glue, network_files, saved_tensors
from mcu_gen.emit.tree import MARKER, check_destination, write_tree
from mcu_gen.graph import DType, Executor, Graph, operator
from mcu_gen.plan.describe import part_data, plan_data
from mcu_gen.plan.estimate import computed_macs, estimate_steps
from mcu_gen.plan.types import Plan, Step
from mcu_gen.resources import resource_dir
from mcu_gen.targets.project import project_files as board_files
from mcu_gen.train.phases import parts

#: Version of the layout of ``mcu-gen.json``.
SCHEMA = 1


@dataclass(frozen=True)
class ProjectOptions:
    """What the user asked for.

    Attributes:
        name: name of the network (its C prefix is made from it); the model's file name when left out.
        options: command-line options that shaped the plan, as in ``--max-ram 64K``; named in every generated file.
    """

    name: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return " ".join(f"--{k} {v}".rstrip() for k, v in sorted(self.options.items()))


def _tensor_data(graph: Graph, name: str) -> dict[str, Any]:
    t = graph.tensors[name]
    per_tensor = t.quant is not None and t.quant.scale.size == 1
    return {
        "name": name,
        "shape": list(t.shape),
        "dtype": t.dtype.value,
        "bytes": t.bytes,
        "scale": t.s if per_tensor else None,
        "zero_point": t.zp if per_tensor else None,
    }


def phases(plan: Plan) -> list[str]:
    """What each step belongs to: ``inference``, or in the rest of a training step ``backward``, ``update`` or
    ``replay``.
    """
    replay = None if plan.graph.training is None else plan.graph.training.replay
    names = [op.name for op in plan.graph.ops]
    replayed = set() if replay is None else set(names[names.index(replay.first) :])

    def phase(step: Step) -> str:
        if step.index < plan.inference_steps:
            return "inference"
        if step.node.name in replayed:
            return "replay"
        return "update" if any(t.variable for t in step.node.outputs) else "backward"

    return [phase(s) for s in plan.steps]


def layer_data(plan: Plan) -> list[dict[str, Any]]:
    """One record per step: name, op, kernel, shapes, MACs (once, and with what is done again), scratch bytes, and what
    it is predicted to take."""
    of = parts(plan.graph) if plan.graph.training is not None else {}
    return [
        {
            "index": s.index,
            "name": s.node.name,
            "op": s.node.type,
            "kernel": s.kernel.name,
            "phase": phase,
            **part_data(of.get(s.node.name)),
            "inputs": [t.name for t in s.node.inputs if t is not None and t.data is None],
            "output": s.node.y.name,
            "output_shape": list(s.node.y.shape),
            "output_dtype": s.node.y.dtype.value,
            "macs": 0 if s.node.name in plan.repeats else operator(s.node.type).macs(s.node),
            "computed_macs": computed_macs(plan, s),
            "scratch_bytes": 0 if s.scratch is None else plan.buffers[s.scratch].bytes,
            **estimate.data(),
        }
        for s, phase, estimate in zip(plan.steps, phases(plan), estimate_steps(plan), strict=True)
    ]


def input_form(plan: Plan) -> str:
    """Where the model input is: ``keep`` (whole in RAM), ``quantized`` (rows are pushed and kept whole in the form into
    which the model's first layer quantizes them) or ``rows`` (rows are pushed and never whole in RAM).
    """
    first = next((s for s in plan.segments if s.streamed is not None), None)
    if first is None:
        return "keep"
    return "quantized" if first.first == first.last and plan.steps[first.first].node.type == "quantize" else "rows"


def plan_document(plan: Plan) -> dict[str, Any]:
    """The ``data`` of the verb ``plan``, with ``input_form``."""
    return plan_data(plan) | {"input_form": input_form(plan)}


def smoke_sample(graph: Graph) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A fixed pseudo-random sample and what the graph computes from it: the content of the project's own test."""
    rng = np.random.default_rng(0)
    x: dict[str, np.ndarray] = {}
    for name in graph.inference_inputs:
        t = graph.tensors[name]
        if t.dtype.is_float:
            x[name] = rng.uniform(-1, 1, t.shape).astype(t.dtype.numpy)
        elif t.dtype is DType.BOOL:
            x[name] = rng.integers(0, 2, t.shape).astype(np.bool_)
        elif t.dtype in (DType.INT32, DType.INT64):
            x[name] = rng.integers(0, 2, t.shape).astype(t.dtype.numpy)
        else:
            low, high = t.dtype.limits
            x[name] = rng.integers(low, high + 1, t.shape).astype(t.dtype.numpy)
    return x, Executor(graph).run(x)


def project_files(plan: Plan, provenance: Provenance, options: ProjectOptions) -> dict[str, str]:
    """The whole tree: relative path -> text.  The same plan and options give the same bytes."""
    net = c_identifier(options.name or plan.graph.name)
    files: dict[str, str] = {}
    for name, text in network_files(plan, net, provenance).items():
        files[f"lib/{net}/{name}"] = text
    files[f"src/{net}_model.c"] = model_glue(plan, net, provenance)
    firmware = resource_dir("firmware")
    for folder in ("runtime", "link"):
        for path in sorted((firmware / folder).glob("*.[ch]")):
            target = "src" if path.name == "main.c" else "lib/mcu_runtime"
            files[f"{target}/{path.name}"] = path.read_text("utf-8")
    x, y = smoke_sample(plan.graph)
    files.update(
        board_files(
            plan.target,
            net=net,
            origin=provenance.lines,
            stack_bytes=plan.stack_bytes,
            max_ram=plan.max_ram,
            arena_bytes=plan.arena_bytes,
            learns=plan.graph.training is not None,
            test_inputs=[x[n] for n in plan.graph.inference_inputs],
            test_outputs=[y[n] for n in plan.graph.inference_outputs],
        )
    )
    files["README.md"] = render(
        "network/README.md.j2",
        {"net": net, "NET": net.upper(), "origin": provenance.lines, "target": plan.target, "plan": plan,
         "graph": plan.graph},
    )  # fmt: skip
    files[MARKER] = project_json(plan, provenance, options, net)
    return files


def training_data(graph: Graph) -> dict[str, Any] | None:
    """Label and weights of a network that trains itself; None for others."""
    t = graph.training
    if t is None:
        return None
    loss = next(op.type for op in graph.ops if t.loss in op.outputs)
    weights = [_tensor_data(graph, n) for n in t.trained]
    saved = sum(s.bytes for s in saved_tensors(graph))
    return {"loss": loss, "label": _tensor_data(graph, t.label), "weights": weights, "saved_bytes": saved}


def project_json(plan: Plan, provenance: Provenance, options: ProjectOptions, net: str) -> str:
    """``mcu-gen.json``: what later verbs read."""
    document = {
        "tool": "mcu-gen",
        "version": provenance.tool_version,
        "schema": SCHEMA,
        "network": net,
        "model": {"name": plan.graph.name, "sha256": provenance.model_sha256},
        "board": plan.target.name,
        "manifest": plan.target.manifest,
        "options": dict(options.options),
        "inputs": [_tensor_data(plan.graph, n) for n in plan.graph.inference_inputs],
        "outputs": [_tensor_data(plan.graph, n) for n in plan.graph.inference_outputs],
        "layers": layer_data(plan),
        "training": training_data(plan.graph),
        "plan": plan_document(plan),
    }
    return json.dumps(document, indent=1) + "\n"


@dataclass(frozen=True)
class Project:
    """A generated project on disk."""

    dir: Path
    files: tuple[str, ...]


def write_project(plan: Plan, out: Path, provenance: Provenance, options: ProjectOptions) -> Project:
    """Renders the project and writes it to ``out``, whole or not at all."""
    check_destination(out)
    files = project_files(plan, provenance, options)
    write_tree(out, files)
    return Project(out, tuple(sorted(files)))
