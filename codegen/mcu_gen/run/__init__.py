"""Running networks: devices (host process, QEMU, Renode, serial port) and the oracles they are compared with."""
