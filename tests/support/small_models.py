"""Small models that hold many operators: what the frontend and the passes are tried on."""

from __future__ import annotations

import numpy as np

from support.tflite_builder import ModelBuilder


def int8_network() -> ModelBuilder:
    """PAD, convolutions, pools, a residual ADD, MUL, TRANSPOSE, CONCATENATION, FULLY_CONNECTED, SOFTMAX; all int8."""
    rng = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape)

    b = ModelBuilder("int8 network")
    b.tensor("image", (1, 6, 6, 3), "int8", scale=0.02, zero_point=-5)
    b.tensor("paddings", (4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
    b.tensor("padded", (1, 8, 8, 3), "int8", scale=0.02, zero_point=-5)
    b.op("PAD", ["image", "paddings"], ["padded"])
    b.tensor("w1", (4, 3, 3, 3), "int8", data=weights(4, 3, 3, 3), scale=[0.01, 0.02, 0.005, 0.03], axis=0)
    b.tensor("b1", (4,), "int32", data=[100, -50, 0, 7], scale=[2e-4, 4e-4, 1e-4, 6e-4], axis=0)
    b.tensor("conv", (1, 6, 6, 4), "int8", scale=0.1, zero_point=3)
    b.op("CONV_2D", ["padded", "w1", "b1"], ["conv"], options={"padding": "valid", "stride_h": 1, "stride_w": 1})
    b.tensor("relu", (1, 6, 6, 4), "int8", scale=0.1, zero_point=3)
    b.op("RELU", ["conv"], ["relu"])
    b.tensor("w2", (1, 3, 3, 4), "int8", data=weights(1, 3, 3, 4), scale=[0.01, 0.02, 0.01, 0.02], axis=3)
    b.tensor("b2", (4,), "int32", data=[1, 2, 3, 4], scale=[1e-3, 2e-3, 1e-3, 2e-3], axis=0)
    b.tensor("depthwise", (1, 6, 6, 4), "int8", scale=0.15, zero_point=-1)
    same = {"padding": "same", "stride_h": 1, "stride_w": 1}
    b.op("DEPTHWISE_CONV_2D", ["relu", "w2", "b2"], ["depthwise"], options={**same, "depth_multiplier": 1})
    b.tensor("sum", (1, 6, 6, 4), "int8", scale=0.2, zero_point=0)
    b.op("ADD", ["depthwise", "relu"], ["sum"], options={"fused_activation_function": "relu6"})
    b.tensor("gain", (1, 1, 1, 4), "int8", data=[10, -20, 30, 40], scale=0.03)
    b.tensor("scaled", (1, 6, 6, 4), "int8", scale=0.2, zero_point=-9)
    b.op("MUL", ["sum", "gain"], ["scaled"])
    pool = {"padding": "valid", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
    b.tensor("max", (1, 3, 3, 4), "int8", scale=0.2, zero_point=-9)
    b.op("MAX_POOL_2D", ["scaled"], ["max"], options=pool)
    b.tensor("mean", (1, 3, 3, 4), "int8", scale=0.2, zero_point=-9)
    b.op("AVERAGE_POOL_2D", ["scaled"], ["mean"], options=pool)
    b.tensor("order", (4,), "int32", data=[0, 2, 1, 3])
    b.tensor("turned", (1, 3, 3, 4), "int8", scale=0.2, zero_point=-9)
    b.op("TRANSPOSE", ["max", "order"], ["turned"])
    b.tensor("joined", (1, 3, 3, 8), "int8", scale=0.2, zero_point=-9)
    b.op("CONCATENATION", ["turned", "mean"], ["joined"], options={"axis": 3})
    b.tensor("begin", (4,), "int32", data=[0, 1, 0, 2])
    b.tensor("size", (4,), "int32", data=[1, 2, -1, 4])
    b.tensor("sliced", (1, 2, 3, 4), "int8", scale=0.2, zero_point=-9)
    b.op("SLICE", ["joined", "begin", "size"], ["sliced"])
    b.tensor("target", (2,), "int32", data=[1, 24])
    b.tensor("flat", (1, 24), "int8", scale=0.2, zero_point=-9)
    b.op("RESHAPE", ["sliced", "target"], ["flat"], options={"new_shape": [1, 24]})
    b.tensor("w3", (5, 24), "int8", data=weights(5, 24), scale=0.01)
    b.tensor("b3", (5,), "int32", data=[5, -5, 50, -50, 500], scale=0.2 * 0.01)
    b.tensor("logits", (1, 5), "int8", scale=0.5, zero_point=11)
    b.op("FULLY_CONNECTED", ["flat", "w3", "b3"], ["logits"])
    b.tensor("probabilities", (1, 5), "int8", scale=1 / 256, zero_point=-128)
    b.op("SOFTMAX", ["logits"], ["probabilities"], options={"beta": 1.0})
    return b.inputs(["image"]).outputs(["probabilities"]).signature({"x": "image"}, {"y": "probabilities"})


def float_network() -> ModelBuilder:
    """A float model with two inputs, two outputs, activations of their own, STRIDED_SLICE and QUANTIZE/DEQUANTIZE."""
    rng = np.random.default_rng(2)
    b = ModelBuilder("float network")
    b.tensor("a", (1, 4, 4, 2), "float32").tensor("b", (1, 4, 4, 2), "float32")
    b.tensor("w", (3, 1, 1, 2), "float32", data=rng.normal(size=(3, 1, 1, 2)))
    b.tensor("difference", (1, 4, 4, 2), "float32").op("SUB", ["a", "b"], ["difference"])
    b.tensor("conv", (1, 2, 2, 3), "float32")
    strided = {"padding": "same", "stride_h": 2, "stride_w": 2}
    b.tensor("bias", (3,), "float32", data=[0.1, -0.2, 0.3])
    b.op("CONV_2D", ["difference", "w", "bias"], ["conv"], options=strided)
    b.tensor("clamped", (1, 2, 2, 3), "float32").op("RELU6", ["conv"], ["clamped"])
    b.tensor("leaky", (1, 2, 2, 3), "float32").op("LEAKY_RELU", ["conv"], ["leaky"], options={"alpha": 0.1})
    b.tensor("begin", (4,), "int32", data=[0, 0, 0, 0]).tensor("end", (4,), "int32", data=[1, 2, 2, 3])
    b.tensor("strides", (4,), "int32", data=[1, 1, -1, 1])
    b.tensor("part", (1, 2, 2, 3), "float32")
    b.op("STRIDED_SLICE", ["leaky", "begin", "end", "strides"], ["part"], options={"begin_mask": 4, "end_mask": 4})
    b.tensor("codes", (1, 2, 2, 3), "int8", scale=0.05, zero_point=3).op("QUANTIZE", ["part"], ["codes"])
    b.tensor("reals", (1, 2, 2, 3), "float32").op("DEQUANTIZE", ["codes"], ["reals"])
    b.tensor("sigmoid", (1, 2, 2, 3), "float32").op("LOGISTIC", ["reals"], ["sigmoid"])
    return b.inputs(["a", "b"]).outputs(["clamped", "sigmoid"])
