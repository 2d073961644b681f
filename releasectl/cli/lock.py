"""One user of a state folder at a time: two controllers on one would run every process twice."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from releasectl.cli.location import Location
from releasectl.errors import Conflict


@contextmanager
def only_one(location: Location) -> Iterator[None]:
    """Hold the folder's lock; Conflict if somebody does. The system lets go of it however the holder ends."""
    location.state.mkdir(parents=True, exist_ok=True)
    with (location.state / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(
                f"a controller already runs with the state folder {location.state}",
                hint="stop it first, or use another folder with --state",
            ) from error
        yield
