"""The quantizer: folding, calibration, rules, the written files."""
