"""Build script of the local platform (runs inside SCons)."""

import os
import sys

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
platform_dir = env.PioPlatform().get_dir()
sys.path.insert(0, os.path.join(platform_dir, "builder"))
import flags  # noqa: E402

mcu = board.get("mcu_gen")
toolchain = flags.choose(mcu, board.get("build.toolchain", "") or os.environ.get("MCU_GEN_TOOLCHAIN", ""))
if toolchain.missing and not env.IsCleanTarget():
    missing, packages = ", ".join(toolchain.missing), " ".join(toolchain.settings["apt"])
    sys.stderr.write(f"Error: {missing} not found on PATH; on Debian or Ubuntu: sudo apt-get install {packages}\n")
    env.Exit(1)

optimization = board.get("build.optimization", mcu.get("optimization", "-O2"))
stack_flags = ["-fstack-usage"] + (["-fcallgraph-info=su"] if toolchain.kind == "gcc" else [])
# Relative: SCons would split a folder name at its spaces.
map_file = os.path.join(os.path.relpath(env.subst("$BUILD_DIR"), env.subst("$PROJECT_DIR")), "${PROGNAME}.map")
if env.get("PROGNAME", "program") == "program":
    env.Replace(PROGNAME="firmware")
env.Replace(
    ARFLAGS=["rc"],
    PROGSUFFIX=".elf",
    SIZEPRINTCMD="$SIZETOOL -A -d $SOURCES",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPROGREGEXP=r"^(?:\.vectors|\.text|\.rodata|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.stack|\.data|\.bss)\s+(\d+).*",
    **toolchain.programs,
)
env.Append(
    ASFLAGS=toolchain.flags,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CFLAGS=flags.LANGUAGE,
    CCFLAGS=[*toolchain.flags, *flags.COMMON, optimization, "-Werror", *stack_flags],
    LINKFLAGS=[*toolchain.link, "-g", "-Wl,--gc-sections", "-Wl,--build-id=none", f"-Wl,-Map,{map_file}"],
    LIBS=[flag[2:] for flag in toolchain.settings["libs"]],
)

if "nobuild" in COMMAND_LINE_TARGETS:
    elf = os.path.join("$BUILD_DIR", "${PROGNAME}.elf")
else:
    elf = env.BuildProgram()
    env.Depends(env.Alias("checkprogsize"), elf)
    # PlatformIO hands the linker script over as a flag, so SCons does not see that it changed
    env.Depends(elf, os.path.join("$PROJECT_DIR", board.get("build.ldscript")))
program = env.Alias("buildprog", elf, env.VerboseAction("$SIZEPRINTCMD", "Sections of $SOURCE"))
AlwaysBuild(env.Alias("nobuild", elf))
env.AddPlatformTarget(
    "size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program Size", "Sizes of all sections"
)

protocol = env.subst("$UPLOAD_PROTOCOL")
manifest = os.path.join(platform_dir, "boards", env["BOARD"] + ".json")
if protocol == "emulator":
    script = '"$PYTHONEXE" "{}"'.format(os.path.join(platform_dir, "emulator.py"))
    env.Replace(UPLOADCMD=f'{script} start "{manifest}" "$PROJECT_DIR" $SOURCE')
    stop = f'{script} stop "{manifest}" "$PROJECT_DIR"'
    env.AddCustomTarget("stop", None, stop, "Stop", "Stop the emulator that upload started")
elif protocol == "openocd":
    arguments = " ".join(f'"{argument}"' for argument in board.get("upload.openocd"))
    env.Replace(UPLOADCMD=f'openocd {arguments} -c "program {{$SOURCE}} verify reset exit"')
env.AddPlatformTarget("upload", elf, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")

Default([program, "checkprogsize"] if "nobuild" not in COMMAND_LINE_TARGETS else [elf])
