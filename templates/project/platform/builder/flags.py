"""Compiler and linker settings of a board, from its manifest: for this platform and for vendors' platforms."""

import os
import re
import shutil
import subprocess

#: Of C files only (assembly takes the others as well).
LANGUAGE = ["-std=c99", "-Wconversion"]
#: Contraction is off because fused and separate multiply-adds round differently.  Without errno, a fused multiply-add
#: and a square root are instructions; with it, compilers call the C library.
COMMON = [
    "-Wall",
    "-Wextra",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fno-asynchronous-unwind-tables",
    "-g",
]


class Toolchain:
    """Programs and flags of one compiler for one board."""

    def __init__(self, kind, settings, programs, flags, link, missing):
        self.kind = kind
        self.settings = settings
        self.programs = programs
        self.flags = flags
        self.link = link
        #: Programs that are not on PATH.
        self.missing = missing


def _gcc(settings):
    prefix = settings["prefix"]
    machine = settings["machine_flags"] + settings.get("libc_flags", [])
    programs = {name: prefix + tool for name, tool in (("CC", "gcc"), ("LINK", "gcc"), ("AS", "gcc"), ("AR", "gcc-ar"))}
    programs.update(RANLIB=prefix + "gcc-ranlib", OBJCOPY=prefix + "objcopy", SIZETOOL=prefix + "size")
    missing = [] if shutil.which(programs["CC"]) else [programs["CC"]]
    link = [*machine, "-nostartfiles", "-nodefaultlibs", "-Wl,--no-warn-rwx-segments"]
    return Toolchain("gcc", settings, programs, machine, link, missing)


def _library_folders(gcc):
    """Where this GCC finds the headers of its C library, and its ``-L`` options for the selected core."""

    def ask(*options):
        command = gcc + list(options) + ["-x", "c", os.devnull]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stderr

    text = ask("-E", "-v", "-o", os.devnull)
    listed = re.search(r"<\.\.\.> search starts here:\n(.*?)End of search list", text, re.DOTALL)
    headers = [os.path.realpath(line.strip()) for line in listed.group(1).splitlines()]
    headers = [folder for folder in headers if os.path.isfile(os.path.join(folder, "math.h"))]
    words = ask("-###", "-o", os.devnull).replace('"', " ").split()
    return headers, [word for word in words if word.startswith("-L")]


def _clang(settings):
    """Clang and lld, with headers, libc and libgcc of the GCC for the same core."""
    prefix = settings["sysroot_of"]
    gcc = prefix + "gcc"
    found = [name for name in settings["programs"] if shutil.which(name)]
    missing = [] if found else [settings["programs"][0]]
    lld = [name for name in ("ld.lld" + (found[0][5:] if found else ""), "ld.lld") if shutil.which(name)]
    missing += [] if lld else ["ld.lld"]
    missing += [] if shutil.which(gcc) else [gcc]
    machine = settings["machine_flags"]
    flags = list(machine)
    link = [*machine, "-nostdlib", "-fuse-ld=" + (shutil.which(lld[0]) if lld else "lld")]
    if not missing:
        headers, libraries = _library_folders([gcc, *settings["gcc_machine_flags"]])
        for folder in headers:
            flags += ["-isystem", folder]
        link += libraries
    clang = found[0] if found else settings["programs"][0]
    programs = {"CC": clang, "LINK": clang, "AS": clang, "AR": prefix + "ar", "RANLIB": prefix + "ranlib"}
    programs.update(OBJCOPY=prefix + "objcopy", SIZETOOL=prefix + "size")
    return Toolchain("clang", settings, programs, flags, link, missing)


def toolchains(mcu):
    """All toolchains of the board (its manifest section ``mcu_gen``), in order of preference."""
    make = {"gcc": _gcc, "clang": _clang}
    return [make[kind](mcu["toolchains"][kind]) for kind in mcu["toolchains"]["order"]]


def choose(mcu, wanted=""):
    """The wanted toolchain, or the first one that is installed, or the first one."""
    offered = toolchains(mcu)
    if wanted:
        for toolchain in offered:
            if toolchain.kind == wanted:
                return toolchain
        kinds = ", ".join(toolchain.kind for toolchain in offered)
        raise SystemExit(f"the board offers no toolchain {wanted!r}; it has: {kinds}")
    return next((toolchain for toolchain in offered if not toolchain.missing), offered[0])
