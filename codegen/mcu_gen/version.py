"""The version of mcu-gen."""

__version__ = "0.1.0"
