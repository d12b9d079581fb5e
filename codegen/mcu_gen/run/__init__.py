"""Running networks: devices (host process, QEMU, Renode, serial port) and the oracles they are compared with."""

from mcu_gen.run.device import Device, Hello, Limits, Stats, TensorInfo
from mcu_gen.run.local import open_host, open_serial
from mcu_gen.run.qemu import open_qemu
from mcu_gen.run.renode import open_renode

__all__ = [
    "Device",
    "Hello",
    "Limits",
    "Stats",
    "TensorInfo",
    "open_host",
    "open_qemu",
    "open_renode",
    "open_serial",
]
