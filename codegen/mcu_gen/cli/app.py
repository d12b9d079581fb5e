"""The application: registers verbs, runs one, and turns whatever happens into an exit code.

A verb is a function that takes an :class:`Output` first and returns the ``data`` of its JSON document together with a
function that prints them for people.  :func:`verb` adds ``--json``, ``-q`` and ``-v`` to it.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

import mcu_gen
from mcu_gen.cli.output import Output
from mcu_gen.errors import McuGenError, UsageError

#: typer raises the exceptions of click, of which newer versions carry a copy of their own.
_ClickException: Any = typer.BadParameter.__mro__[2]

#: What a verb returns: its data, and a function that prints them for people.
Render = Callable[[], None]
Verb = Callable[..., tuple[dict[str, Any], Render]]

app = typer.Typer(
    name="mcu-gen",
    help="From a trained .tflite network to C99 firmware that computes the same bits on a microcontroller.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Interrupted(McuGenError):  # noqa: N818  (the user's wish, and no error)
    """The user pressed Ctrl-C (exit 130)."""

    exit_code = 130
    code = "interrupted"

    def __init__(self) -> None:
        super().__init__("interrupted")


class _ReaderGone(Exception):  # noqa: N818  (no error: the reader of the pipe has what it wanted)
    """The reader of stdout went away, as in ``mcu-gen ops | head``."""


class _Run:
    """The verb that is running, for the handler of errors."""

    output: Output | None = None


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"mcu-gen {mcu_gen.__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """From a trained .tflite network to C99 firmware that computes the same bits on a microcontroller."""


_COMMON: dict[str, Any] = {
    "json_mode": Annotated[bool, typer.Option("--json", help="One JSON document on stdout, also on failure.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="No notes and no progress.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="More detail; tracebacks of internal errors.")],
}


def verb(name: str, panel: str) -> Callable[[Verb], Verb]:
    """Registers a verb under ``name`` in a panel of the help page."""

    def register(function: Verb) -> Verb:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        common = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
            for key, annotation in _COMMON.items()
        ]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            flags = {key: bool(values.pop(key)) for key in _COMMON}
            out = Output(**flags)
            _Run.output = out
            # typer has answers of its own to these two; ours come with the right exit code and document.
            try:
                data, render = function(out, **values)
                out.data = data
                if out.json_mode:
                    out.document(name, None)
                else:
                    render()
                sys.stdout.flush()
            except KeyboardInterrupt:
                raise Interrupted from None
            except BrokenPipeError:
                raise _ReaderGone from None

        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + common, return_annotation=None
        )
        run.__annotations__ = {p.name: p.annotation for p in (*own, *common)}
        app.command(name, rich_help_panel=panel)(run)
        return function

    return register


def verbs() -> list[str]:
    """The names of all verbs."""
    return [str(c.name) for c in app.registered_commands]


def _command_of(argv: Sequence[str]) -> str:
    """The verb of a command line; empty where it names none."""
    known = set(verbs())
    return next((a for a in argv if a in known), "")


def _from_click(error: Any) -> McuGenError:
    """A usage error of the parser as one of ours."""
    context = getattr(error, "ctx", None)
    hints = [f"{context.command_path} --help"] if context is not None else ["mcu-gen --help"]
    possibilities = getattr(error, "possibilities", None)
    message = str(error.format_message()).rstrip()
    if not message:
        message = "no command given"
    if possibilities and "Did you mean" not in message:
        hints.insert(0, ", ".join(sorted(possibilities)))
    return UsageError(message, hints=hints)


def _internal(error: Exception, *, verbose: bool) -> McuGenError:
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
        hints = ["this is a fault of mcu-gen: please report it with the traceback above"]
    else:
        hints = ["this is a fault of mcu-gen: run again with -v for the traceback, and please report it"]
    return McuGenError(f"internal error: {type(error).__name__}: {error}", hints=hints)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv`` (without the program's name); returns the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    _Run.output = None
    command = typer.main.get_command(app)
    options = args[: args.index("--")] if "--" in args else args
    try:
        command.main(args=args, prog_name="mcu-gen", standalone_mode=False)
        return 0
    except (KeyboardInterrupt, typer.Abort):
        failure: McuGenError = Interrupted()
        code = failure.exit_code
    except McuGenError as error:
        failure, code = error, error.exit_code
    except _ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError" and "--json" not in options:
            sys.stdout.write(str(error.format_message()) + "\n")
            return UsageError.exit_code
        failure, code = _from_click(error), UsageError.exit_code
    except _ReaderGone:
        # Nothing to report, and nobody to report it to; the flush at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last resort: a fault of ours is reported, not thrown at the user
        failure, code = _internal(error, verbose="-v" in options or "--verbose" in options), McuGenError.exit_code
    out = _Run.output or Output(json_mode="--json" in options)
    out.error(_command_of(args), failure)
    return code
