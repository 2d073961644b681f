"""Blocks since the last recorded decision, and the statistics they have led to.

The folds are kept in memory so that a pass costs what is new; a record carries the folds of the last
recorded decision and every block since, from which the same numbers follow to the bit. Losing this memory
costs samples, never correctness: evidence then goes on from the last recorded decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from releasectl.controller.collect import Collected
from releasectl.decide.inputs import Desired
from releasectl.domain.base import format_time
from releasectl.domain.decision import EffectiveState
from releasectl.domain.observation import NEW_UNITS, Block, Observation, Reading, ReadState
from releasectl.domain.parts import split_name
from releasectl.evaluate.components import Graph
from releasectl.evaluate.evaluation import Evaluation, Folds, evaluate
from releasectl.evaluate.trust import unreadable
from releasectl.ports import EvidenceStore

_OUTAGE = "outage"
_SERVED = "served"
_CHECKPOINT = "checkpoint"
_STAGE = "stage"
_NOTE_EVERY = timedelta(seconds=5)
MOST_BLOCKS = 2000
"""Blocks kept of one release; beyond that all are folded and only the folds are kept, for a record stays small."""


@dataclass
class _Page:
    """One release's trial since its last recorded decision."""

    decision: str
    generation: str
    folds: Folds
    """Everything so far."""
    checkpoint: Folds | None = None
    """Everything before ``blocks``, if that is more than what the last decision recorded."""
    until: datetime | None = None
    """Blocks that ended by then are folded and gone."""
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    outage_seconds: float = 0.0
    looked_at: datetime | None = None


@dataclass
class _Served:
    """Since when and until when an allocation has been seen to be served."""

    epoch: int
    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


@dataclass
class _StageTime:
    """How long a stage has been followed, up to the last look."""

    began: str
    seconds: float
    looked_at: datetime


class EvidenceBook:
    """What is known of the trials under way."""

    def __init__(self, store: EvidenceStore) -> None:
        self._store = store
        self._pages: dict[str, _Page] = {}
        self._served: dict[str, _Served] = {}
        self._stages: dict[str, _StageTime] = {}
        self._noted_at: dict[tuple[str, str], datetime] = {}

    def look(
        self, desired: Desired, state: EffectiveState, collected: Collected, now: datetime
    ) -> tuple[Observation, Evaluation]:
        """Add what was collected: all that was read since the last decision, and the evidence."""
        page = self._page(desired, state, collected)
        names = _names(desired, state, page, collected)
        fresh = self._news(page, state.release, names, collected)
        unfolded = {name: _reading(state.release, name, collected, blocks) for name, blocks in fresh.items()}
        evaluation = _evaluated(desired, state, page.folds, unfolded)
        page.folds = evaluation.folds
        self._count_outage(page, desired, state, collected, now)
        observed = Observation(
            readings={name: _reading(state.release, name, collected, page.blocks.get(name, ())) for name in names},
            folds=page.checkpoint,
            unreadable_seconds=page.outage_seconds,
        )
        self._shorten(page, state, now)
        return observed, evaluation

    def served_since(self, state: EffectiveState, *, served: bool, now: datetime) -> datetime | None:
        """Since when the state's shares have been seen to be served; None if they are not served now.

        What is kept over a restart is how long that was, not since when: a wall clock that was set anew while
        no controller ran must not end a step early. Time in which they are not served does not count.
        """
        known = self._served.get(state.release)
        if known is not None and known.epoch != state.epoch:
            known = None
        if not served:
            self._served.pop(state.release, None)
            if known is not None:
                self._note(state.release, _SERVED, {"epoch": known.epoch, "seconds": known.seconds}, now, every=None)
            return None
        if known is None:
            noted = self._store.noted(state.release, _SERVED)
            before = noted["seconds"] if noted and noted["epoch"] == state.epoch else 0.0
            self._served[state.release] = known = _Served(state.epoch, now - timedelta(seconds=before), now)
        known.until = now
        self._note(state.release, _SERVED, {"epoch": known.epoch, "seconds": known.seconds}, now)
        return known.since

    def stage_seconds(self, state: EffectiveState, now: datetime) -> float | None:
        """How long the stage under way has been followed; it stands still while a person has paused the release.

        Kept over restarts like the time at a step. With the memory lost, the calendar is all there is.
        """
        if state.progress is None:
            return None
        began = format_time(state.progress.stage_started_at)
        known = self._stages.get(state.release)
        if known is None or known.began != began:
            noted = self._store.noted(state.release, _STAGE)
            calendar = max(0.0, (now - state.progress.stage_started_at).total_seconds())
            before = noted["seconds"] if noted and noted["began"] == began else calendar
            self._stages[state.release] = known = _StageTime(began, before, now)
        if state.suspension is None:
            known.seconds += (now - known.looked_at).total_seconds()
        known.looked_at = now
        self._note(state.release, _STAGE, {"began": began, "seconds": known.seconds}, now)
        return known.seconds

    def settle(self, release: str) -> None:
        """A decision about the release is recorded: what led to it is in git now."""
        self._store.forget(release)
        self._store.note(release, _OUTAGE, None)
        self._store.note(release, _CHECKPOINT, None)
        self._pages.pop(release, None)

    def _note(
        self, release: str, key: str, value: object, now: datetime, *, every: timedelta | None = _NOTE_EVERY
    ) -> None:
        last = self._noted_at.get((release, key))
        if every is None or last is None or now - last >= every:
            self._noted_at[release, key] = now
            self._store.note(release, key, value)

    def _page(self, desired: Desired, state: EffectiveState, collected: Collected) -> _Page:
        page = self._pages.get(state.release)
        if page and page.decision == state.decision and page.generation == desired.generation:
            return page
        page = _Page(state.decision, desired.generation, state.folds, until=state.folded_until)
        noted = self._noted(state, _OUTAGE)
        page.outage_seconds = noted["seconds"] if noted else state.unreadable_seconds
        if checkpoint := self._noted(state, _CHECKPOINT):
            page.folds = page.checkpoint = checkpoint["folds"]
            page.until = datetime.fromisoformat(checkpoint["until"])
        self._pages[state.release] = page
        # Stored blocks include those just collected; they are folded as news by the caller, once.
        metrics = _metrics_of(desired, state)
        parts = [name for name in self._store.counted(state.release) if split_name(name)[0] in metrics]
        for name in dict.fromkeys([*metrics, *parts]):
            new = len(collected.blocks.get((state.release, name), ()))
            stored = [b for b in self._store.blocks(state.release, name) if _is_new(b, page, state)]
            page.blocks[name] = stored[: len(stored) - new] if new else stored
        kept = {name: Reading(state=ReadState.OK, blocks=tuple(blocks)) for name, blocks in page.blocks.items()}
        page.folds = _evaluated(desired, state, page.folds, kept).folds
        return page

    def _shorten(self, page: _Page, state: EffectiveState, now: datetime) -> None:
        """Keep folds instead of blocks once there are many. Crashing between the two steps counts nothing twice."""
        if sum(len(blocks) for blocks in page.blocks.values()) <= MOST_BLOCKS:
            return
        note = {"decision": state.decision, "folds": page.folds, "until": now.isoformat()}
        self._store.note(state.release, _CHECKPOINT, note)
        self._store.forget(state.release)
        page.checkpoint, page.until = page.folds, now
        page.blocks.clear()

    def _noted(self, state: EffectiveState, key: str) -> Any:
        """A note, if it is about what follows the state's decision."""
        noted = self._store.noted(state.release, key)
        return noted if noted and noted["decision"] == state.decision else None

    @staticmethod
    def _news(page: _Page, release: str, names: Sequence[str], collected: Collected) -> dict[str, list[Block]]:
        fresh = {}
        for name in names:
            fresh[name] = collected.blocks.get((release, name), [])
            page.blocks.setdefault(name, []).extend(fresh[name])
        return fresh

    def _count_outage(
        self, page: _Page, desired: Desired, state: EffectiveState, collected: Collected, now: datetime
    ) -> None:
        since, page.looked_at = page.looked_at, now
        guarded = (guardrail.metric for guardrail in desired.policy.spec.guardrails)
        if since is None or all(unreadable(_reading(state.release, name, collected, ())) is None for name in guarded):
            return
        page.outage_seconds += (now - since).total_seconds()
        self._store.note(state.release, _OUTAGE, {"decision": state.decision, "seconds": page.outage_seconds})


def _is_new(block: Block, page: _Page, state: EffectiveState) -> bool:
    """Whether a stored block is of this trial and not in the page's folds yet."""
    # Times alone do not tell trials apart: the wall clock may have been set back in between.
    of_this_trial = state.progress is None or block.epoch >= state.progress.first_epoch
    return of_this_trial and (page.until is None or block.end_at > page.until)


def _metrics_of(desired: Desired, state: EffectiveState) -> list[str]:
    policy = desired.policy.spec
    guarded = [guardrail.metric for guardrail in policy.guardrails]
    paired = [name for name, metric in desired.metrics.items() if metric.query.paired is not None]
    units = [NEW_UNITS] if state.progress and state.route.sticky is not None else []
    return list(dict.fromkeys(guarded + [objective.metric for objective in policy.objectives] + paired + units))


def _names(desired: Desired, state: EffectiveState, page: _Page, collected: Collected) -> list[str]:
    """The metrics, and after them the parts of them that anything was counted of."""
    metrics = _metrics_of(desired, state)
    counted = {*page.blocks, *collected.counted.get(state.release, ())}
    return metrics + sorted(name for name in counted - set(metrics) if split_name(name)[0] in metrics)


def _reading(release: str, metric: str, collected: Collected, blocks: Sequence[Block]) -> Reading:
    state, detail = collected.state(release, metric)
    return Reading(state=state, detail=detail, blocks=tuple(blocks))


def _evaluated(desired: Desired, state: EffectiveState, folds: Folds, readings: Mapping[str, Reading]) -> Evaluation:
    return evaluate(
        policy=desired.policy.spec,
        metrics=desired.metrics,
        candidates=state.candidates,
        folds=folds,
        observed=Observation(readings=readings),
        epoch=state.epoch,
        stage=desired.stage(state),
        graph=Graph.of(state),
    )
