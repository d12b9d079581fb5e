# Every target sets up what it needs (.ci/setup): a virtual environment in .venv, compilers and emulators from apt.
#
#   make demo    plan, generate, build and run the embedded digits network on an emulated Cortex-M4
#   make test    all tests
#   make check   style and types: ruff, mypy, import order, clang-format
#   make bench   exact instruction counts beside the peers' figures; BENCH="--model X --layers" and the like
#   make soak    the long runs that `make test` leaves out
#   make wheel   a wheel and an sdist in dist/
#   make clean   remove what the targets above made

VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 8 ] && n=8; echo $$n)
C_FILES = $(shell git ls-files 'firmware/*.c' 'firmware/*.h' 2>/dev/null || find firmware -name '*.[ch]')

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench soak wheel format docs clean

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@.ci/setup

demo: setup
	@$(BIN)/mcu-gen demo -o demo-out

test: setup
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not slow"

soak: setup
	$(BIN)/python -m pytest -q -n $(JOBS) -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict codegen/
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

format: setup
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .
	$(BIN)/clang-format -i $(C_FILES)

bench: setup
	$(BIN)/python tests/bench/bench.py $(BENCH)

docs: setup
	$(BIN)/mcu-gen ops --format md > docs/ops.md

wheel: setup
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) demo-out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
