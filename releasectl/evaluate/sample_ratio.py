"""Did requests reach the variants in the shares that were decided? If not, the data are wrong, whatever they say.

One e-process for the whole trial: a block is held against the shares that were in force while it was counted,
and the factors of different shares multiply. Blocks whose shares are not known, or that were not split, tell
nothing. What is counted are requests at the entry, or, where units are kept on their variant, units at their first
exposure in the trial: the requests of one unit are not independent.

A mismatch is never forgotten: by then nobody knows which of the counts went astray. A person who has mended the cause
resumes the release, and its trial begins anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from releasectl import stats
from releasectl.domain.base import WHOLE
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.observation import NEW_UNITS, Block, Reading
from releasectl.domain.release import STABLE
from releasectl.evaluate.guardrails import DEAD_BAND

State = Mapping[str, Any]


def fold_key(metric: str, candidates: Sequence[str]) -> str:
    """Where the state is kept. Other arms are another question: its evidence begins anew."""
    return f"sample-ratio/{metric}/{'+'.join(candidates)}"


def fold_sample_ratio(state: State | None, blocks: Sequence[Block], candidates: Sequence[str]) -> State | None:
    """The state with the blocks added; plain JSON. None while no block was ever split under known shares."""
    arms = (STABLE, *candidates)
    rule = stats.SampleRatio(arms=len(arms))
    for shares, counts in _split(blocks, arms):
        state = state or _fresh(rule, arms)
        before = stats.SampleRatioState.from_json(dict(state["ratio"]))
        after = rule.step(before, counts, [points / WHOLE for points in shares])
        total = sum(sum(tick) for tick in counts)
        state = {
            "ratio": after.to_json(),
            "counts": [had + sum(new) for had, new in zip(state["counts"], zip(*counts, strict=True), strict=True)],
            # In hundredths of a percent of requests, so that it stays an integer.
            "expected": [had + total * points for had, points in zip(state["expected"], shares, strict=True)],
        }
    return state


def mismatch(metric: str, state: State | None, candidates: Sequence[str], level: float) -> str | None:
    """What is wrong, in a sentence, once chance is ruled out at ``level``; None while it is not."""
    if state is None:
        return None
    of = "units" if metric == NEW_UNITS else "requests"
    peak = float(stats.SampleRatioState.from_json(dict(state["ratio"])).peak)
    if peak < math.log(1 / level) - DEAD_BAND:
        return None
    return (
        f"{_worst(state, candidates, of)}: the chance of that is below {_chance(peak)} if {of} go where "
        f"they should (limit {level:g}), so no count of this trial can be trusted"
    )


def units_row(reading: Reading, state: State | None, candidates: Sequence[str], found: str | None) -> Evidence:
    """What is known of units that are kept on their variant: evidence that holds nothing but must not be missing.

    ``found`` is what their mismatch is, if there is one.
    """
    if found is not None:
        verdict, told = MetricState.BAD, found
    elif state is None:
        verdict = MetricState.NO_DATA
        told = f"not known whether units follow the shares: {reading.detail or 'none has been logged yet'}"
    else:
        verdict, told = MetricState.OK, _worst(state, candidates, "units")
    return Evidence(metric="units", role="sample-ratio", candidate=candidates[0], state=verdict, summary=told)


def _worst(state: State, candidates: Sequence[str], of: str) -> str:
    """The arm that is furthest from its share."""
    counts, total = state["counts"], sum(state["counts"])
    expected = [points / WHOLE for points in state["expected"]]
    off = [abs(seen - due) / math.sqrt(due) if due else 0.0 for seen, due in zip(counts, expected, strict=True)]
    worst = off.index(max(off))
    return (
        f"{(STABLE, *candidates)[worst]} got {100 * counts[worst] / total:.4g} % of {total} {of} where the shares make "
        f"{100 * expected[worst] / total:.4g} %"
    )


def _split(blocks: Sequence[Block], arms: Sequence[str]) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Shares and counts by arm, runs of blocks under equal shares together."""
    told = [(shares, _counts(block, arms)) for block in blocks if (shares := _shares(block, arms)) is not None]
    for shares, run in groupby(told, key=lambda pair: pair[0]):
        yield shares, [counts for _, counts in run]


def _shares(block: Block, arms: Sequence[str]) -> list[int] | None:
    if block.shares is None:
        return None
    shares = [block.shares.get(arm, 0) for arm in arms]
    # Shares of arms that are not compared here would leave a gap; a single arm leaves nothing to chance.
    return shares if sum(shares) == WHOLE and len([points for points in shares if points]) > 1 else None


def _counts(block: Block, arms: Sequence[str]) -> list[int]:
    return [block.arms[arm].trials if arm in block.arms else 0 for arm in arms]


def _fresh(rule: stats.SampleRatio, arms: Sequence[str]) -> dict[str, Any]:
    return {"ratio": rule.init().to_json(), "counts": [0] * len(arms), "expected": [0] * len(arms)}


def _chance(peak: float) -> str:
    return f"{max(math.exp(-min(peak, 200.0)), 1e-16):.2g}"
