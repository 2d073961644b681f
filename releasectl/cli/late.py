"""A place kept for what stands on the event log, from when the API listens until the log is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from releasectl.errors import Unavailable


class Late:
    """Has the methods of its ``target``. Until there is one each raises Unavailable: whoever asks is told to come
    again, as when the log is busy."""

    def __init__(self) -> None:
        self.target: object | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # The target is looked for in the call and not here: routes keep methods, and ask them inside their own
        # handling of errors.
        def method(*args: Any, **kwargs: Any) -> Any:
            if self.target is None:
                raise Unavailable("the event log is not open yet", hint="ask again in a moment")
            return getattr(self.target, name)(*args, **kwargs)

        return method
