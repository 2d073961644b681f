"""What a case of a policy test says and its release cannot mean, told instead of played without effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from releasectl.domain.parts import Part
from releasectl.domain.policy_test import PairRate, Phase, PolicyCase, Rates
from releasectl.manifests.nearest import suggestion
from releasectl.simulate.case import Case


def misread(case: Case, written: PolicyCase) -> tuple[str, ...]:
    """One sentence for each thing that would change nothing, or not what it seems to; each once."""
    found = [*_names(case, written), *_shares(written.given)]
    for phase in written.given:
        found += [*_rates(case, phase), *_groups(case, phase), *_pairs(case, phase)]
    return tuple(dict.fromkeys(found))


def _names(case: Case, written: PolicyCase) -> Iterator[str]:
    """Candidates that are not on trial."""
    named = [one.candidate for one in written.expect if one.candidate is not None]
    for phase in written.given:
        named += [*phase.candidates, *phase.candidate_pairs]
        named += [name for group in phase.segments.values() for name in group.candidates]
    for name in named:
        if name not in case.candidates:
            yield f"no candidate {name!r} ({suggestion(name, case.candidates)})"


def _rates(case: Case, rates: Rates) -> Iterator[str]:
    """A rate that is told of a mean, or a value of a proportion."""
    for told in _all_told(rates):
        for name, text in told.items():
            metric = case.desired.metrics.get(name)
            if metric is not None and text.endswith("%") == (metric.kind == "mean"):
                example = "25 ~ 8" if metric.kind == "mean" else "1%"
                yield f"{name} is a {metric.kind}, of which {text!r} says nothing: write {example!r}, for example"


def _groups(case: Case, phase: Phase) -> Iterator[str]:
    """A group that a metric, or every metric, is not counted by."""
    fields = {metric.query.log.by for metric in case.desired.metrics.values() if metric.query.log}
    for part, group in phase.segments.items():
        asked, named = Part.parse(part).dimension, _metrics_of(group)
        yield from _rates(case, group)
        for name in named:
            metric = case.desired.metrics.get(name)
            by = metric and metric.query.log and metric.query.log.by
            if metric is not None and by != asked:
                yield f"{name} is {f'counted by {by}' if by else 'counted as a whole'}, not by {asked}"
        if not named and asked not in fields:
            yield f"no metric of the policy is counted by {asked}"


def _shares(given: Sequence[Phase]) -> Iterator[str]:
    """Groups of one field that are more than all requests together, as far as they were told of."""
    shares: dict[str, dict[str, float]] = {}
    for phase in given:
        for part, group in phase.segments.items():
            if group.share is not None:
                shares.setdefault(Part.parse(part).dimension, {})[part] = float(group.share[:-1])
        for dimension, told in shares.items():
            if (together := sum(told.values())) > 100 + 1e-9:
                yield f"the groups by {dimension} are {together:g} % of the requests together"


def _pairs(case: Case, phase: Phase) -> Iterator[str]:
    """Rates of pairs that no shadow stage compares."""
    compared: set[str] = {one.query.paired.measure for one in case.desired.metrics.values() if one.query.paired}
    for rate in dict.fromkeys(rate for told in (phase.pairs, *phase.candidate_pairs.values()) for rate in told):
        if _measure(rate) not in compared:
            yield f"{rate} of pairs is compared by no shadow stage ({_remedy(rate)})"


def _measure(rate: PairRate) -> str:
    return "errors" if rate == "stable-errors" else rate


def _remedy(rate: PairRate) -> str:
    return "the strategy needs one" if rate == "agreement" else f"the strategy needs one with `{_measure(rate)}`"


def _metrics_of(rates: Rates) -> Iterable[str]:
    return dict.fromkeys(name for told in _all_told(rates) for name in told)


def _all_told(rates: Rates) -> tuple[Mapping[str, str], ...]:
    return (rates.stable, rates.candidate, *rates.candidates.values())
