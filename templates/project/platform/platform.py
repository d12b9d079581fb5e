"""PlatformIO development platform that uses the toolchains found on PATH and never asks a package registry."""

import importlib.util
import json
import os
import re

from platformio.dependencies import get_core_dependencies
from platformio.package.meta import PackageSpec
from platformio.platform.base import PlatformBase

SHIM = """\
import sys

try:
    import SCons.Script
except ImportError:
    sys.path.append({site!r})
    try:
        import SCons.Script
    except ImportError:
        sys.exit("SCons is no longer installed in {site}: run `pip install scons`, or delete the folder of this file")
SCons.Script.main()
"""


def provide_scons(manager):
    """Give PlatformIO its ``tool-scons`` package from the SCons that pip installed, when it has none yet.

    PlatformIO would download it from its registry otherwise.
    """
    wanted = get_core_dependencies()["tool-scons"]
    if manager.get_package(PackageSpec(owner="platformio", name="tool-scons", requirements=wanted)):
        return
    found = importlib.util.find_spec("SCons")
    if not found:
        return
    site = os.path.dirname(next(iter(found.submodule_search_locations)))
    version = re.search(r"\d+\.\d+\.\d+", wanted).group()
    folder = os.path.join(manager.package_dir, f"tool-scons@pip-{version}")
    os.makedirs(folder, exist_ok=True)
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    files = {
        "scons.py": SHIM.format(site=site),
        "package.json": json.dumps({"name": "tool-scons", "version": version, "description": "SCons from pip"}),
        ".piopm": json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec}),
    }
    for name, text in files.items():
        # Written aside and renamed: another PlatformIO may be reading the same folder.
        temporary = os.path.join(folder, f"{name}.{os.getpid()}")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, os.path.join(folder, name))
    manager.memcache_reset()


class MculocalPlatform(PlatformBase):
    def configure_default_packages(self, options, targets):
        provide_scons(self.pm)
        return super().configure_default_packages(options, targets)

    def is_embedded(self):
        """Emulated boards run their tests through ``test_testing_command``; real ones are flashed and listened to."""
        return not any(board.get("mcu_gen").get("emulators") for board in self.get_boards().values())
