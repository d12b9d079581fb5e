"""What Python users call; the command line is a thin layer over it.

graph = mcu_gen.load("model.tflite")
plan = mcu_gen.plan(graph, "mps2_an386", max_ram=64 * 1024)
project = mcu_gen.generate(graph, "mps2_an386", "out")
sizes = mcu_gen.build("out")
outputs = mcu_gen.run("out", x, on="qemu").outputs
"""

from mcu_gen.api.analysis import analyze
from mcu_gen.api.building import build, flash
from mcu_gen.api.devices import open_device, target_of
from mcu_gen.api.inference import Inference, profile, run
from mcu_gen.api.planning import PlanOptions, front_data, load, pareto, plan, plan_with, worth_trying
from mcu_gen.api.projects import ProjectFile, generate, lost_weights, open_project, write
from mcu_gen.api.samples import (
    TensorSpec,
    as_batch,
    dequantize,
    random_batch,
    read_arrays,
    read_batch,
    read_labelled,
    read_labels,
    unbatch,
    write_arrays,
)
from mcu_gen.api.training import TrainingRun, train
from mcu_gen.api.training_validation import RATE, STEPS, TrainingCheck, validate_training
from mcu_gen.api.validation import Check, validate
from mcu_gen.emit.project import input_form, plan_document
from mcu_gen.quantize.model import quantize_model as quantize

__all__ = [
    "RATE",
    "STEPS",
    "Check",
    "Inference",
    "PlanOptions",
    "ProjectFile",
    "TensorSpec",
    "TrainingCheck",
    "TrainingRun",
    "analyze",
    "as_batch",
    "build",
    "dequantize",
    "flash",
    "front_data",
    "generate",
    "input_form",
    "load",
    "lost_weights",
    "open_device",
    "open_project",
    "pareto",
    "plan",
    "plan_document",
    "plan_with",
    "profile",
    "quantize",
    "random_batch",
    "read_arrays",
    "read_batch",
    "read_labelled",
    "read_labels",
    "run",
    "target_of",
    "train",
    "unbatch",
    "validate",
    "validate_training",
    "worth_trying",
    "write",
    "write_arrays",
]
