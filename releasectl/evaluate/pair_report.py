"""What compared pairs tell people of a candidate: where it agrees, what becomes what, how far numbers and times differ.

Nothing is decided by it. Intervals hold at every look, each by itself: of many segments one may well be off.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from releasectl import stats
from releasectl.domain.sampled import AGREES, Stratum, Sums


def pair_report(
    variant: str, strata: Sequence[Stratum], sums: Sequence[Sums], *, alpha: float = 0.05, planned: int = 1000
) -> dict[str, Any]:
    """JSON for one candidate; times in milliseconds. Intervals are narrowest near ``planned`` pairs."""
    own = [one for one in strata if one.variant == variant]
    agreeing: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    flips: dict[str, int] = defaultdict(int)
    for one in own:
        agreeing[one.segment][0] += one.pairs
        if one.kind == AGREES:
            agreeing[one.segment][1] += one.pairs
        else:
            flips[one.kind] += one.pairs
    pairs = sum(total for total, _ in agreeing.values())
    report: dict[str, Any] = {
        "candidate": variant,
        "pairs": pairs,
        "agreement": _rate(sum(same for _, same in agreeing.values()), pairs, alpha, planned),
        "flips": dict(sorted(flips.items(), key=lambda one: (-one[1], one[0]))),
    }
    if set(agreeing) - {""}:
        report["segments"] = {
            segment: _rate(same, total, alpha, planned) for segment, (total, same) in sorted(agreeing.items())
        }
    by_measure: dict[str, list[Sums]] = defaultdict(list)
    for differences in sums:
        if differences.variant == variant:
            by_measure[differences.measure].append(differences)
    for measure in ("value", "latency"):
        if found := by_measure.get(measure):
            report[measure] = _differences(found, alpha, planned)
    if found := by_measure.get("errors"):
        report["errors"] = _errors(found, alpha)
    return report


def _rate(events: int, trials: int, alpha: float, planned: int) -> dict[str, Any]:
    if not trials:
        return {"rate": None, "pairs": 0}
    low, high = stats.bernoulli_confidence_interval(
        num_successes=events, num_trials=trials, alpha=alpha, t_opt=float(planned)
    )
    rate, lower, upper = (round(float(value), 9) for value in (events / trials, low, high))
    return {"rate": rate, "lower": lower, "upper": upper, "pairs": trials}


def _differences(found: Sequence[Sums], alpha: float, planned: int) -> dict[str, Any]:
    count = sum(one.count for one in found)
    total, squares = (math.fsum(getattr(one, name) for one in found) for name in ("total", "squares"))
    low, high = stats.mean_interval(total=total, squares=squares, count=count, alpha=alpha, n_opt=planned)
    return {
        "pairs": count,
        "mean": round(total / count, 9),
        "lower": _finite(float(low)),
        "upper": _finite(float(high)),
        "meanSize": round(math.fsum(one.absolute for one in found) / count, 9),
        "largest": round(max(one.largest for one in found), 9),
    }


def _errors(found: Sequence[Sums], alpha: float) -> dict[str, Any]:
    """Sums of differences of -1, 0 and 1 tell how many there were of each."""
    count = sum(one.count for one in found)
    total, squares = (round(math.fsum(getattr(one, name) for one in found)) for name in ("total", "squares"))
    only_candidate, only_stable = (squares + total) // 2, (squares - total) // 2
    low, high = stats.paired_interval(up=only_candidate, down=only_stable, pairs=count, alpha=alpha)
    return {
        "pairs": count,
        "onlyCandidateFailed": only_candidate,
        "onlyStableFailed": only_stable,
        "difference": round((only_candidate - only_stable) / count, 9),
        "lower": round(float(low), 9),
        "upper": round(float(high), 9),
    }


def _finite(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None
