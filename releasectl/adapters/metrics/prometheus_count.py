"""From raw samples of trials and events to exact increments by arm. Pure.

Trials are asked for first and events after, at the same time of evaluation. Prometheus shows a scrape whole or not
at all, so whatever the trials saw of a target the events saw too; events are counted up to the newest sample of the
target's trials and no further, and no event comes before its trial.

A process that restarts may show a counter again only once it counts, at as much as before or more: a candidate that
crashes at its first error would show none. So the fall of one counter of a target tells of a restart for all of them.

Where anything of a release cannot be counted nothing of it is, and its marks stay: counters only grow, so what was
passed over is in the next difference once the release is well.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from releasectl.adapters.metrics.counters import InvalidCount, Mark, Restart, advance, falls
from releasectl.adapters.metrics.prometheus_api import Series
from releasectl.domain.metric import PrometheusQuery
from releasectl.domain.observation import Counts, ReadState
from releasectl.ports import Increment

REMEMBERED_SECONDS = 24 * 3600.0
"""How long a series that gives no samples keeps its mark."""


@dataclass(frozen=True)
class Cursor:
    """Up to where a metric is counted."""

    since: float
    """When counting began. A series whose first sample is later was born while it was watched."""
    at: float
    """Up to where samples were asked for."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    """Series that were there at the beginning without a value to begin from."""
    newest: Mapping[str, float] = field(default_factory=dict)
    """Release -> time of its newest sample."""
    restarts: Mapping[str, Restart] = field(default_factory=dict)
    """Target -> its last restart."""

    def to_json(self) -> dict[str, Any]:
        """Small JSON."""
        marks = {key: list(mark) for key, mark in self.marks.items()}
        return {
            "since": self.since,
            "at": self.at,
            "marks": marks,
            "unknown": sorted(self.unknown),
            "newest": dict(self.newest),
            "restarts": {target: list(restart) for target, restart in self.restarts.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cursor:
        """Reads what ``to_json`` wrote."""
        marks = {key: Mark(*mark) for key, mark in data["marks"].items()}
        restarts = {target: Restart(*restart) for target, restart in data["restarts"].items()}
        return cls(data["since"], data["at"], marks, frozenset(data["unknown"]), data["newest"], restarts)


@dataclass(frozen=True)
class Counted:
    """What a read adds."""

    cursor: Cursor
    increments: tuple[Increment, ...]
    faults: Mapping[str, tuple[ReadState, str]]
    unlabelled: int
    """Series that name no release or no variant."""


class _Arm(NamedTuple):
    release: str
    variant: str


def count(
    query: PrometheusQuery, trials: Sequence[Series], events: Sequence[Series], cursor: Cursor | None, *, at: float
) -> Counted:
    """Count what is new at ``at``. Without a cursor counting begins here and nothing is counted."""
    counting = _Counting(_Labels(query), cursor or Cursor(since=at, at=at))
    horizon = _Horizon(trials, counting.labels)
    for role, some in (("trials", trials), ("events", events)):
        for each in some:
            counting.note_falls(_key(role, each), each)
    for each in trials:
        counting.add_trials(each)
    for each in events:
        counting.add_events(each, until=horizon.of(each))
    counting.compare()
    return Counted(
        cursor=counting.moved(at, begins=cursor is None),
        increments=() if cursor is None else tuple(counting.increments()),
        faults={release: (ReadState.INVALID, text) for release, text in counting.unwell.items()},
        unlabelled=sum(counting.labels.arm(each) is None for each in trials),
    )


def stale(cursor: Cursor, now: float, stale_after: timedelta) -> dict[str, tuple[ReadState, str]]:
    """Releases whose newest sample is too old, by the provider's clock."""
    allowed = stale_after.total_seconds()
    return {
        release: (ReadState.STALE, f"the newest sample is {now - at:.0f} s old; the metric allows {allowed:g} s")
        for release, at in cursor.newest.items()
        if now - at > allowed
    }


class _Labels:
    """Which arm a series belongs to."""

    def __init__(self, query: PrometheusQuery) -> None:
        self._release, self._variant = query.release_label, query.variant_label

    def arm(self, series: Series) -> _Arm | None:
        release, variant = series.labels.get(self._release), series.labels.get(self._variant)
        return _Arm(release, variant) if release and variant else None


class _Horizon:
    """The newest sample of trials by target and, for events that come from elsewhere, by arm."""

    def __init__(self, trials: Iterable[Series], labels: _Labels) -> None:
        self._labels = labels
        self._newest: dict[Any, float] = {}
        for series in trials:
            newest = series.samples[-1].at if series.samples else -math.inf
            for key in (_target(series), labels.arm(series)):
                if key is not None:
                    self._newest[key] = max(newest, self._newest.get(key, -math.inf))

    def of(self, series: Series) -> float:
        # Events of an arm without any trials are counted, so that they show as the fault they are.
        by_arm = self._newest.get(self._labels.arm(series), math.inf)
        return self._newest.get(_target(series), by_arm)


def _target(series: Series) -> str | None:
    """The process that was scraped, where the labels tell."""
    instance = series.labels.get("instance")
    return f"{series.labels.get('job', '')} {instance}" if instance else None


class _Counting:
    """One read while it is being counted."""

    def __init__(self, labels: _Labels, before: Cursor) -> None:
        self.labels = labels
        self.unwell: dict[str, str] = {}
        """Release -> why nothing of it is counted."""
        self._before = before
        self._trials: dict[_Arm, int] = {}
        self._events: dict[_Arm, int] = {}
        self._seen: set[str] = set()
        self._marks: dict[str, tuple[str, Mark]] = {}
        """Key -> release and new mark."""
        self._newest = dict(before.newest)
        self._restarts: dict[str, list[Restart]] = {target: [last] for target, last in before.restarts.items()}

    def note_falls(self, key: str, series: Series) -> None:
        """Remember when the target of a series was restarted."""
        target = _target(series)
        if target is not None and (found := list(falls(self._before.marks.get(key), series.samples))):
            self._restarts.setdefault(target, []).extend(found)

    def add_trials(self, series: Series) -> None:
        """Count a series of trials; its samples say how fresh the release's data are."""
        arm = self.labels.arm(series)
        if arm is None:
            return
        if series.samples:
            self._newest[arm.release] = max(series.samples[-1].at, self._newest.get(arm.release, -math.inf))
        self._trials[arm] = self._trials.get(arm, 0) + self._advance(arm, _key("trials", series), series, math.inf)

    def add_events(self, series: Series, *, until: float) -> None:
        """Count a series of events up to its horizon."""
        arm = self.labels.arm(series)
        if arm is not None:
            self._events[arm] = self._events.get(arm, 0) + self._advance(arm, _key("events", series), series, until)

    def compare(self) -> None:
        """More events than trials: the selectors do not belong together, or one came late."""
        for arm, events in self._events.items():
            trials = self._trials.get(arm, 0)
            if events > trials:
                self.unwell.setdefault(arm.release, f"{arm.variant} has {events} events in {trials} trials")

    def increments(self) -> Iterator[Increment]:
        """Of the releases that are well, by arm."""
        for arm in sorted(self._trials):
            if self._trials[arm] and arm.release not in self.unwell:
                counts = Counts(trials=self._trials[arm], events=self._events.get(arm, 0))
                yield Increment(arm.release, arm.variant, counts)

    def moved(self, at: float, *, begins: bool) -> Cursor:
        """The cursor after this read."""
        well = {key: mark for key, (release, mark) in self._marks.items() if release not in self.unwell}
        oldest = at - REMEMBERED_SECONDS
        marks = {key: mark for key, mark in {**self._before.marks, **well}.items() if mark.at > oldest}
        unknown = self._seen if begins else self._before.unknown
        return Cursor(
            since=self._before.since,
            at=max(self._before.at, at),
            marks=marks,
            unknown=frozenset(unknown - marks.keys()),
            newest={release: last for release, last in self._newest.items() if last > oldest},
            restarts={target: last for target, some in self._restarts.items() if (last := max(some)).by > oldest},
        )

    def _advance(self, arm: _Arm, key: str, series: Series, until: float) -> int:
        self._seen.add(key)
        if series.problem:
            self.unwell.setdefault(arm.release, f"{arm.variant}: {series.problem}")
            return 0
        first = series.samples[0].at if series.samples else -math.inf
        born = first > self._before.since and key not in self._before.unknown
        try:
            step = advance(
                self._before.marks.get(key),
                series.samples,
                born=born,
                until=until,
                restarts=self._restarts.get(_target(series) or "", ()),
            )
        except InvalidCount as error:
            self.unwell.setdefault(arm.release, f"{arm.variant}: {error}")
            return 0
        if step.mark is not None:
            self._marks[key] = (arm.release, step.mark)
        return step.increment


def _key(role: str, series: Series) -> str:
    spelled = repr((role, sorted(series.labels.items())))
    return hashlib.blake2b(spelled.encode(), digest_size=8).hexdigest()
