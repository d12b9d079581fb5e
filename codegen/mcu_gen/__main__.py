"""``python -m mcu_gen``: the command line."""

import sys

from mcu_gen.cli import main

if __name__ == "__main__":
    sys.exit(main())
