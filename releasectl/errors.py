"""Error families. Each says what is asked of the user and of the loop.

===============  ============================================  ==========================================
family           means                                         the loop
===============  ============================================  ==========================================
ManifestError    git asks for something invalid                stalls that release, traffic untouched
Unavailable      something outside did not answer              keeps the last state, backs off, tries again
Conflict         somebody moved first                          reads again and decides again; never forces
Denied           credentials or permission                     stalls for that adapter
UsageError       the command line asks for something odd       (command line only) exit 64
===============  ============================================  ==========================================

Anything else is our bug. Adapters catch a library's exceptions where they call it and raise one of these
``from`` them. Texts are lower case, name the subject and the fix, and never carry a credential.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal


class ReleasectlError(Exception):
    """Base of the families; ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one place of one file. ``line`` and ``column`` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    path: str
    """Field path such as ``spec.strategy[0].steps``; empty for the whole document."""
    message: str
    hint: str = ""
    code: str = "invalid"
    """Short kebab-case name of the rule, stable for machines."""
    severity: Literal["error", "warning"] = "error"
    """A warning is shown and stops nothing."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        field = f" {self.path}:" if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}:{field} {self.message}{hint}"


class ManifestError(ReleasectlError):
    """What git asks for is invalid; carries every problem found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Unavailable(ReleasectlError):
    """Something outside did not answer; ``retry_after`` is what it asked for, if it said."""

    def __init__(self, message: str, *, hint: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Conflict(ReleasectlError):
    """Somebody moved first: fetch, decide again."""


class Denied(ReleasectlError):
    """Credentials or permission are missing."""


class UsageError(ReleasectlError):
    """The command line asks for something that does not exist or does not fit."""
