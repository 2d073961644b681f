"""Logging, set up once by the command line: console for people, JSON for machines. Talk goes to stderr."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO, cast

import structlog


class _Stderr:
    """Standard error as it is at each line: whoever puts another stream in its place gets what is said from then on."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(kind: str, *, level: str) -> None:
    """``kind`` is console or json; ``level`` as in ``logging``."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if kind == "json"
        # Plain tracebacks: the rich ones print the values of variables, which are many and might be secret.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if kind == "json" else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
