"""``python -m mcu_gen``: the command line."""

from mcu_gen.cli import main

if __name__ == "__main__":
    main()
