"""Which component of the graph a harm at the entry comes from, as far as the components' own numbers tell."""

from __future__ import annotations

from releasectl.domain.base import Model, Name


class Movement(Model):
    """What one component did by itself, candidate against stable: bad answers that it did not merely pass on."""

    component: Name
    version: str
    """Of the candidate."""
    changed: bool
    """Whether the candidate brings another version of it than stable has."""
    stable_bad: int
    stable_trials: int
    tried_bad: int
    tried_trials: int
    estimate: float | None = None
    """Difference of the rates, stratified by block, in the direction of harm."""
    lower: float | None = None
    upper: float | None = None
    """Always-valid interval; all components' intervals hold together."""


class Attribution(Model):
    """The component whose own numbers moved most, or None where no single one explains the harm."""

    component: Name | None = None
    sentence: str
    """For people, numbers included."""
    movements: tuple[Movement, ...]
    """Of every component that was counted, in the graph's order."""
    changed: tuple[Name, ...]
    other_neighbours: tuple[Name, ...]
    """Components that did not change and meet a changed one: they are asked or answered differently."""
