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
        sys.exit("{program} not found on PATH; on Debian or Ubuntu: sudo apt-get install {apt}".format(**qemu))
    return [qemu["program"], *qemu["args"], *qemu["icount"], qemu["image_option"], elf]


def stop(record):
    """Stop the emulator whose process id is in ``record``, if it still is that emulator."""
    try:
        with open(record, encoding="utf-8") as file:
            pid, program = file.read().split("\n")[:2]
        with open(f"/proc/{pid}/cmdline", "rb") as file:
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
    arguments = [*command(board, elf), "-serial", f"tcp:127.0.0.1:{PORT},server=on,wait=off,nodelay=on"]
    with open(os.path.join(folder, "emulator.log"), "wb") as log:
        # Its own streams and session: PlatformIO waits for the end of the pipes that its children inherit.
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    with open(record, "w", encoding="utf-8") as file:
        file.write(f"{process.pid}\n{arguments[0]}\n")
    for _ in range(100):
        if process.poll() is not None:
            with open(os.path.join(folder, "emulator.log"), encoding="utf-8", errors="replace") as log:
                sys.exit(f"the emulator ended with status {process.returncode}:\n{log.read()}")
        try:
            socket.create_connection(("127.0.0.1", PORT), 0.1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        process.kill()
        sys.exit("the emulator did not open its serial port within 5 s")
    sys.stdout.write(f"emulator runs (process {process.pid}), serial line at socket://127.0.0.1:{PORT}\n")
    sys.stdout.write("`pio run -t stop` ends it, `pio device monitor` connects to it\n")


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "run":
        arguments = [*command(sys.argv[2], sys.argv[3]), "-serial", "stdio"]
        os.execvp(arguments[0], arguments)
    elif len(sys.argv) == 5 and sys.argv[1] == "start":
        start(*sys.argv[2:])
    elif len(sys.argv) == 4 and sys.argv[1] == "stop":
        stopped = stop(os.path.join(sys.argv[3], ".pio", "emulator.pid"))
        sys.stdout.write("emulator stopped\n" if stopped else "no emulator was running\n")
    else:
        sys.exit(__doc__)


main()
