"""mcu-gen: from a trained .tflite network to C99 firmware that computes the same bits."""

__version__ = "0.1.0"
