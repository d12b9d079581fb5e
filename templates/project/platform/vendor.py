"""Extra script for a vendor's own PlatformIO platform: the same flags as the local platform, from the same manifest."""

import json
import os
import sys

Import("env")  # noqa: F821

platform_dir = os.path.join(env.subst("$PROJECT_DIR"), "platform")  # noqa: F821
sys.path.insert(0, os.path.join(platform_dir, "builder"))
import flags  # noqa: E402

boards = os.path.join(platform_dir, "boards")
with open(os.path.join(boards, os.listdir(boards)[0]), encoding="utf-8") as file:
    mcu = json.load(file)["mcu_gen"]
machine = mcu["toolchains"]["gcc"]["machine_flags"]
env.Append(  # noqa: F821
    ASFLAGS=machine,
    CCFLAGS=[*machine, *flags.COMMON, mcu["optimization"]],
    CFLAGS=flags.LANGUAGE,
    LINKFLAGS=[*machine, "-nostartfiles", "-Wl,--gc-sections"],
)
