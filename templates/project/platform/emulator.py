"""Starts a board's emulator in the background, with its serial line on a TCP port; stops it again.

usage: emulator.py start|stop BOARD.json PROJECT_DIR [ELF]
       emulator.py run BOARD.json ELF          (in the foreground, serial line on standard output)
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

PORT = int(os.environ.get("MCU_GEN_EMULATOR_PORT", "5599"))


def command(board, elf):
    with open(board, encoding="utf-8") as file:
        qemu = json.load(file)["mcu_gen"]["emulators"]["qemu"]
    if not shutil.which(qemu["program"]):
        sys.exit("%s not found on PATH; on Debian or Ubuntu: sudo apt-get install %s" % (qemu["program"], qemu["apt"]))
    return [qemu["program"], *qemu["args"], *qemu["icount"], qemu["image_option"], elf]


def stop(record):
    """Stop the emulator whose process id is in ``record``, if it still is that emulator."""
    try:
        with open(record, encoding="utf-8") as file:
            pid, program = file.read().split("\n")[:2]
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            if program.encode() not in file.read():
                return False
        os.kill(int(pid), signal.SIGTERM)
    except (OSError, ValueError):
        return False
    finally:
        if os.path.exists(record):
            os.remove(record)
    return True


def start(board, project, elf):
    folder = os.path.join(project, ".pio")
    os.makedirs(folder, exist_ok=True)
    record = os.path.join(folder, "emulator.pid")
    if stop(record):
        time.sleep(0.2)
    arguments = command(board, elf) + ["-serial", "tcp:127.0.0.1:%d,server=on,wait=off,nodelay=on" % PORT]
    with open(os.path.join(folder, "emulator.log"), "wb") as log:
        # Its own streams and session: PlatformIO waits for the end of the pipes that its children inherit.
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    with open(record, "w", encoding="utf-8") as file:
        file.write("%d\n%s\n" % (process.pid, arguments[0]))
    for _ in range(100):
        if process.poll() is not None:
            with open(os.path.join(folder, "emulator.log"), encoding="utf-8", errors="replace") as log:
                sys.exit("the emulator ended with status %d:\n%s" % (process.returncode, log.read()))
        try:
            socket.create_connection(("127.0.0.1", PORT), 0.1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        process.kill()
        sys.exit("the emulator did not open its serial port within 5 s")
    print("emulator runs (process %d), serial line at socket://127.0.0.1:%d; `pio run -t stop` ends it" % (process.pid, PORT))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "run":
        arguments = command(sys.argv[2], sys.argv[3]) + ["-serial", "stdio"]
        os.execvp(arguments[0], arguments)
    elif len(sys.argv) == 5 and sys.argv[1] == "start":
        start(*sys.argv[2:])
    elif len(sys.argv) == 4 and sys.argv[1] == "stop":
        print("emulator stopped" if stop(os.path.join(sys.argv[3], ".pio", "emulator.pid")) else "no emulator was running")
    else:
        sys.exit(__doc__)


main()
