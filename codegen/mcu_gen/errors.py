"""Errors that a user can act on.

Every error says what happened, where (layer, tensor, file, option), the observed value against the rule,
and what to try.  The command line maps the class to an exit code (see ``docs/cli.md``); a traceback is never
shown for these, because they are answers and not bugs.
"""

from __future__ import annotations

from collections.abc import Sequence


class McuGenError(Exception):
    """Base of all errors that are meant for the user.

    Args:
        message: what happened, with the observed value and the rule it breaks.
        where: the place: a layer, a tensor, a file, an option.
        hints: what to try, most promising first.
    """

    exit_code = 1
    code = "internal"

    def __init__(self, message: str, *, where: str | None = None, hints: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hints = list(hints)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(McuGenError):
    """The command, an option or a file that it names is wrong (exit 2)."""

    exit_code = 2
    code = "usage"


class ModelFileError(UsageError):
    """A model file cannot be read: truncated, not a model, inconsistent (exit 2)."""

    code = "model_file"


class UnsupportedModelError(McuGenError):
    """The model holds something that is not supported; ``reasons`` lists all of it at once (exit 3)."""

    exit_code = 3
    code = "unsupported"

    def __init__(
        self, message: str, *, where: str | None = None, hints: Sequence[str] = (), reasons: Sequence[str] = ()
    ) -> None:
        super().__init__(message, where=where, hints=hints)
        self.reasons = list(reasons)

    def __str__(self) -> str:
        text = super().__str__()
        return text + "".join(f"\n  - {reason}" for reason in self.reasons)


class DoesNotFitError(McuGenError):
    """The plan does not fit the board or the given limit (exit 4)."""

    exit_code = 4
    code = "does_not_fit"


class MismatchError(McuGenError):
    """The device computed something else than the oracle (exit 5)."""

    exit_code = 5
    code = "mismatch"


class ToolMissingError(McuGenError):
    """A compiler, an emulator or an optional package is missing (exit 6)."""

    exit_code = 6
    code = "tool_missing"


class DeviceError(McuGenError):
    """A device or emulator failed, or did not answer before its deadline (exit 7)."""

    exit_code = 7
    code = "device"
