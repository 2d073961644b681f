"""Blocks of ticks for the tests of sequential rules: drawn by hypothesis, or from plain integers."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from releasectl.stats.conditional import Conditional
from releasectl.stats.horizon import Horizon
from releasectl.stats.moments import Moments
from releasectl.stats.starts import spread_starts
from releasectl.stats.stratified import Stratified
from releasectl.stats.trials import Trials
from releasectl.stats.two_by_two import RISES, TwoByTwo

LATE = spread_starts(12, every=3, tail=0.1)

TRIAL_RULES: dict[str, Any] = {
    "two by two": TwoByTwo(),
    "two by two, late starts": TwoByTwo(starts=LATE),
    "two by two, relative margin": TwoByTwo(margin=0.05, starts=LATE),
    "two by two, absolute margin": TwoByTwo(margin=0.05, margin_kind="absolute"),
    "two by two, higher is worse": TwoByTwo(worse="higher", effects=RISES, margin=0.1),
    "conditional": Conditional(),
    "conditional, late starts and a margin": Conditional(starts=LATE, margin=0.2),
    "stratified": Stratified(v_opt=50.0),
    "stratified, relative margin": Stratified(v_opt=50.0, margin=0.05, claim="better"),
    "stratified, absolute margin": Stratified(v_opt=50.0, margin=0.05, margin_kind="absolute", worse="higher"),
    "stratified, dispersion": Stratified(v_opt=50.0, dispersion_from=3, from_tick=2),
    "horizon": Horizon(last_tick=15, from_tick=2),
    "horizon, dispersion and a plan": Horizon(
        last_tick=12, from_tick=2, dispersion_from=3, plan=tuple(float(k) for k in range(1, 13))
    ),
    "horizon, margin": Horizon(last_tick=15, from_tick=2, margin=0.05, claim="better"),
}


@st.composite
def trials(draw: st.DrawFn, *, ticks: int | None = None, most: int = 400) -> Trials:
    """A block of up to 12 ticks in which either arm may be empty."""
    count = draw(st.integers(1, 12)) if ticks is None else ticks
    sizes = st.lists(st.integers(0, most), min_size=count, max_size=count)
    n_b, n_c = draw(sizes), draw(sizes)
    x_b = [draw(st.integers(0, n)) for n in n_b]
    x_c = [draw(st.integers(0, n)) for n in n_c]
    return Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)


@st.composite
def moments(draw: st.DrawFn, *, ticks: int = 6) -> Moments:
    """A block of sums of small integers."""
    arms = []
    for _ in "bc":
        values = [draw(st.lists(st.integers(-50, 50), min_size=0, max_size=8)) for _ in range(ticks)]
        arms += [[len(v) for v in values], [sum(v) for v in values], [sum(x * x for x in v) for v in values]]
    n_b, s_b, q_b, n_c, s_c, q_c = arms
    return Moments.of(n_b=n_b, s_b=s_b, q_b=q_b, n_c=n_c, s_c=s_c, q_c=q_c)


def piece(block: Any, ticks: slice) -> Any:
    """Some ticks of any kind of block."""
    return type(block)(*(getattr(block, name)[..., ticks] for name in block.__dataclass_fields__))


def through_json(state: Any) -> Any:
    """The state as a store would give it back."""
    return type(state).from_json(json.loads(json.dumps(state.to_json())))


def folded(rule: Any, block: Any, cuts: list[int]) -> Any:
    """The state after folding the block in pieces, each from a state that was stored in between."""
    state = rule.init(getattr(block, next(iter(block.__dataclass_fields__))).shape[:-1])
    edges = [0, *sorted(set(cuts)), block.ticks]
    for first, last in itertools.pairwise(edges):
        state = through_json(rule.step(state, piece(block, slice(first, last))))
    return state


def counted(seed: int, ticks: int, *, n_b: int = 900, n_c: int = 100, per_mille: int = 800, harm: int = 0) -> Trials:
    """Outcomes from a counter-based integer hash: the same on every machine, whatever numpy's generators."""
    index = np.arange(ticks, dtype=np.uint64) + np.uint64(seed * 1_000_003)
    b, c = _hash(index * np.uint64(2)), _hash(index * np.uint64(2) + np.uint64(1))
    spread_b, spread_c = n_b // 40 + 1, n_c // 20 + 1
    x_b = n_b * per_mille // 1000 + (b % np.uint64(2 * spread_b + 1)).astype(np.int64) - spread_b
    x_c = n_c * (per_mille - harm) // 1000 + (c % np.uint64(2 * spread_c + 1)).astype(np.int64) - spread_c
    return Trials.of_good(x_b=np.clip(x_b, 0, n_b), n_b=n_b, x_c=np.clip(x_c, 0, n_c), n_c=n_c)


def _hash(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
