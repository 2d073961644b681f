"""Death at a chosen effect: the ports of a controller, counted, until one call ends everything."""

from __future__ import annotations

import inspect
from typing import Any

EFFECTS = {
    "repo": {"push"},
    "router": {"apply"},
    "workloads": {"ensure"},
    "store": {"append", "begin", "finish", "forget", "note"},
}


class Killed(BaseException):
    """The process is gone: nothing catches this and nothing it would have done happens."""


class Killer:
    """Lets so many effects happen and kills before or after the next one; then every other call dies too."""

    def __init__(self, survives: int, *, after: bool = False) -> None:
        self._left = survives
        self._after = after
        self.done: list[str] = []
        """Effects that happened."""
        self.dead = False

    def wrap(self, kind: str, port: Any) -> Any:
        """See ``World.wrap``."""
        return _Mortal(self, kind, port)

    def before(self) -> None:
        if not self.dead and self._left == 0 and not self._after:
            self.dead = True
        if self.dead:
            raise Killed

    def happened(self, what: str) -> None:
        self.done.append(what)
        if self._left == 0:
            self.dead = True
            raise Killed
        self._left -= 1


class _Mortal:
    def __init__(self, killer: Killer, kind: str, port: Any) -> None:
        self._killer = killer
        self._kind = kind
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in EFFECTS[self._kind]:
            return found
        what = f"{self._kind}.{name}"
        if inspect.iscoroutinefunction(found):

            async def waiting(*arguments: Any, **named: Any) -> Any:
                self._killer.before()
                answer = await found(*arguments, **named)
                self._killer.happened(what)
                return answer

            return waiting

        def direct(*arguments: Any, **named: Any) -> Any:
            self._killer.before()
            answer = found(*arguments, **named)
            self._killer.happened(what)
            return answer

        return direct
