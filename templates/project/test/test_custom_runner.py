"""Reads the results of `pio test`: lines in the format of Unity, printed by the test program itself."""

from platformio.public import UnityTestRunner


class CustomTestRunner(UnityTestRunner):
    EXTRA_LIB_DEPS = None  # nothing to download

    def configure_build_env(self, env):
        return env
