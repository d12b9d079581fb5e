"""Post-training quantization: a float32 graph and calibration data become an int8 graph and a report."""
