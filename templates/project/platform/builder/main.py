"""Build script of the local platform (runs inside SCons)."""

import os
import sys

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
platform_dir = env.PioPlatform().get_dir()
sys.path.insert(0, os.path.join(platform_dir, "builder"))
import flags  # noqa: E402

mcu = board.get("mcu_gen")
toolchain = flags.choose(mcu, board.get("build.toolchain", "") or os.environ.get("MCU_GEN_TOOLCHAIN", ""))
if toolchain.missing and not env.IsCleanTarget():
    sys.stderr.write(
        "Error: %s not found on PATH; on Debian or Ubuntu: sudo apt-get install --no-install-recommends %s\n"
        % (", ".join(toolchain.missing), " ".join(toolchain.settings["apt"]))
    )
    env.Exit(1)

optimization = board.get("build.optimization", mcu.get("optimization", "-O2"))
stack_flags = ["-fstack-usage"] + (["-fcallgraph-info=su"] if toolchain.kind == "gcc" else [])
if env.get("PROGNAME", "program") == "program":
    env.Replace(PROGNAME="firmware")
env.Replace(
    ARFLAGS=["rc"],
    PROGSUFFIX=".elf",
    SIZEPRINTCMD="$SIZETOOL -A -d $SOURCES",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPROGREGEXP=r"^(?:\.vectors|\.text|\.rodata|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.stack|\.data|\.bss)\s+(\d+).*",
    **toolchain.programs
)
env.Append(
    ASFLAGS=toolchain.flags,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CFLAGS=["-std=c99", "-Wconversion"],
    CCFLAGS=toolchain.flags
    + [flag for flag in flags.COMMON if flag not in ("-std=c99", "-Wconversion")]
    + [optimization, "-Werror"]
    + stack_flags,
    LINKFLAGS=toolchain.link
    + ["-g", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-Map," + os.path.join("$BUILD_DIR", "${PROGNAME}.map")],
    LIBS=[flag[2:] for flag in toolchain.settings["libs"]],
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Building $TARGET"), suffix=".bin"
        )
    },
)

if "nobuild" in COMMAND_LINE_TARGETS:
    elf = os.path.join("$BUILD_DIR", "${PROGNAME}.elf")
else:
    elf = env.BuildProgram()
    env.Depends(env.Alias("checkprogsize"), elf)
program = env.Alias("buildprog", elf, env.VerboseAction("$SIZEPRINTCMD", "Sections of $SOURCE"))
AlwaysBuild(env.Alias("nobuild", elf))
env.AddPlatformTarget(
    "size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program Size", "Sizes of all sections"
)

protocol = env.subst("$UPLOAD_PROTOCOL")
emulator = '"$PYTHONEXE" "%s"' % os.path.join(platform_dir, "emulator.py")
arguments = '"%s" "$PROJECT_DIR"' % os.path.join(platform_dir, "boards", env["BOARD"] + ".json")
if protocol == "emulator":
    env.Replace(UPLOADCMD="%s start %s $SOURCE" % (emulator, arguments))
    env.AddCustomTarget("stop", None, "%s stop %s" % (emulator, arguments), "Stop", "Stop the emulator that upload started")
elif protocol == "openocd":
    env.Replace(
        UPLOADCMD="openocd %s -c \"program {$SOURCE} verify reset exit\""
        % " ".join('"%s"' % argument for argument in board.get("upload.openocd"))
    )
env.AddPlatformTarget("upload", elf, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")

Default([program, "checkprogsize"] if "nobuild" not in COMMAND_LINE_TARGETS else [elf])
