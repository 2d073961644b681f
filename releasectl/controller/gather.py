"""All that a decision is made from, brought together in one place: what git asks for, what was seen, what it proves.

A manifest that has become invalid, or a file that cannot be read, ends nothing: the last good version stands in for
it, so that a trial under way goes on being guarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from releasectl.controller.collect import Collected
from releasectl.controller.evidence import EvidenceBook
from releasectl.controller.gitseen import GitView
from releasectl.controller.gitview import GitWatcher
from releasectl.controller.site import SiteView, is_served
from releasectl.controller.sites import Sites
from releasectl.decide.inputs import Desired, Input
from releasectl.domain.decision import EffectiveState, Quarantine
from releasectl.domain.observation import Observation
from releasectl.domain.release import Variant
from releasectl.errors import Denied, Unavailable
from releasectl.evaluate.evaluation import Evaluation
from releasectl.plan import health, variants_in_question


class Gatherer:
    """Keeps the last good manifests; everything else it looks up anew in each pass."""

    def __init__(self, sites: Sites, book: EvidenceBook) -> None:
        self._sites = sites
        self._book = book
        self._last_good: dict[str, Desired] = {}
        self._in_question: dict[str, tuple[Desired, EffectiveState | None, frozenset[str], Mapping[str, Variant]]] = {}

    async def restore(self, git: GitWatcher, view: GitView) -> None:
        """After a restart: a manifest that is invalid now is guarded by what its last decision saw."""
        for release, state in view.ledger.states.items():
            known = release in self._last_good or release in view.desired.desired
            if known or state.progress is None or not why_invalid(release, view, state):
                continue
            try:
                before = await git.desired_at(state.revision)
            except (Unavailable, Denied):
                continue
            if release in before.desired:
                self._last_good[release] = before.desired[release]

    def desired(self, view: GitView, states: Mapping[str, EffectiveState]) -> dict[str, Desired]:
        """What git asks for; the last good version stands in for a manifest that has become invalid."""
        self._last_good |= view.desired.desired
        gone = [
            name
            for name, state in states.items()
            if name not in view.desired.desired and not why_invalid(name, view, state)
        ]
        for name in gone:
            self._last_good.pop(name, None)
        return dict(self._last_good)

    def input_of(
        self,
        release: str,
        *,
        view: GitView,
        desired: Desired | None,
        state: EffectiveState | None,
        collected: Mapping[str, Collected],
        held: Mapping[str, Quarantine],
        now: datetime,
    ) -> Input | None:
        """The input of a release's decision; None where git does not tell what to decide about."""
        invalid = why_invalid(release, view, state)
        if desired is None and (invalid or state is None):
            return None
        observed, evaluation = Observation(), Evaluation()
        if desired is not None:
            observed, evaluation = self._observe(desired, state, collected, held, now)
        return Input(
            desired=desired,
            state=state,
            observed=observed,
            now=now,
            evaluation=evaluation,
            requests=view.ledger.requests.get(release, ()),
            quarantine=held,
            invalid=invalid,
        )

    def _observe(
        self,
        desired: Desired,
        state: EffectiveState | None,
        collected: Mapping[str, Collected],
        held: Mapping[str, Quarantine],
        now: datetime,
    ) -> tuple[Observation, Evaluation]:
        release = desired.release.name
        site = state.environment if state and state.progress else desired.environment.name
        view = self._sites.views.get(site, SiteView())
        served = view.served.get(release)
        here = bool(served and state and is_served(state, served))
        seen = Observation(
            served=served.shares if served else None,
            served_epoch=served.epoch if served else None,
            served_since=self._book.served_since(state, served=here, now=now) if state and state.progress else None,
            health=health(release, self._asked(desired, state, held), view.statuses),
        )
        if state is None or state.progress is None:
            return seen, Evaluation()
        read, evaluation = self._book.look(desired, state, collected.get(site, Collected()), now)
        update = {
            "readings": read.readings,
            "folds": read.folds,
            "unreadable_seconds": read.unreadable_seconds,
            "stage_seconds": self._book.stage_seconds(state, now),
        }
        return seen.model_copy(update=update), evaluation

    def _asked(
        self, desired: Desired, state: EffectiveState | None, held: Mapping[str, Quarantine]
    ) -> Mapping[str, Variant]:
        """Variants in question; worked out anew only when what they follow from has changed."""
        known = self._in_question.get(desired.release.name)
        if known is None or known[0] is not desired or known[1] is not state or known[2] != held.keys():
            variants = variants_in_question(desired, state, held)
            self._in_question[desired.release.name] = known = (desired, state, frozenset(held), variants)
        return known[3]


def why_invalid(release: str, view: GitView, state: EffectiveState | None) -> str:
    """Why the present manifest of a release cannot be used; empty if it can, or if it is gone."""
    error = view.desired.invalid.get(release)
    if error is not None:
        return error.message
    if release in view.desired.desired or state is None:
        return ""
    catalog = view.desired.catalog
    left = catalog.files.get(state.path)
    if left is not None and not left.documents and not left.broken:
        return f"{state.path} is still there and holds no manifest; delete the file to remove {release}"
    gone = catalog.is_gone(release, state.path)
    return "" if gone else f"{state.path} cannot be read, so what it asks of {release} is not known"
