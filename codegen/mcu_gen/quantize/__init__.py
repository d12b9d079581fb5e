"""Post-training quantization: a float32 model and calibration data become an int8 model and a report."""

from mcu_gen.quantize.calibrate import METHODS, samples_of
from mcu_gen.quantize.model import quantize_model
from mcu_gen.quantize.ptq import Options, prepare, quantize_graph
from mcu_gen.quantize.report import LayerQuality, QuantizeReport, compare
from mcu_gen.quantize.writer import write_tflite

__all__ = [
    "METHODS",
    "LayerQuality",
    "Options",
    "QuantizeReport",
    "compare",
    "prepare",
    "quantize_graph",
    "quantize_model",
    "samples_of",
    "write_tflite",
]
