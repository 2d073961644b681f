"""Times of a trial that is judged by means are told like any other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from releasectl.controller.fleet import Traffic, read_fleet
from releasectl.controller.ledger import decision_path, dump, state_path
from releasectl.ports import EntryKind, TreeEntry
from releasectl.preview.forecast import forecast, no_forecast
from releasectl.preview.ramp import ramp
from releasectl.preview.wording import assumptions
from tests.builders import a_state
from tests.unit.simulate.cases import desired_of

POLICY = "{guardrails: [{metric: latency, margin: {units: 200}}], minSamples: 50, maxDuration: 10m}"
DESIRED = desired_of(policy=POLICY, strategy="[{type: canary, steps: [10, 50], interval: 10s}]")


def test_a_mean_is_forecast_in_its_own_unit() -> None:
    assert no_forecast(DESIRED) == ""
    found = forecast(DESIRED, ramp(DESIRED), Traffic(), 50)
    assert (dict(found.rates), dict(found.units), found.observed) == ({"latency": 500.0}, {"latency": "ms"}, ())
    assert "latency 500 ms (usual)" in assumptions(found)
    good, bad = found.worlds
    assert good.promoted.value == 1.0
    # 400 ms more are found long before the time is over.
    assert bad.rolled_back.value == 1.0
    assert bad.median_seconds.value is not None
    assert bad.median_seconds.value < 300


def test_a_mean_that_was_observed_is_where_its_forecast_begins() -> None:
    found = forecast(DESIRED, ramp(DESIRED), Traffic(50.0, {"latency": 120.5}), None)
    assert (dict(found.rates), found.observed) == ({"latency": 120.5}, ("latency",))
    assert "latency 120.5 ms;" in assumptions(found)


class Ledger:
    """A ledger of one decision."""

    def __init__(self, evidence: list[dict[str, object]]) -> None:
        state = a_state(DESIRED.release)
        record = {"decision": {"evidence": evidence}, "given": {"observed": {"readings": {}}}}
        self._files = {
            state_path("desk"): dump(state),
            decision_path("desk", state.seq): json.dumps(record).encode(),
        }

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        return {path: TreeEntry(path, path, EntryKind.FILE, len(text)) for path, text in self._files.items()}

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        return {oid: self._files[oid] for oid in oids}


def test_the_ledger_tells_a_mean_as_a_mean() -> None:
    evidence: list[dict[str, object]] = [
        {"metric": "latency", "stable": {"trials": 400, "events": 0, "mean": 120.5}},
        {"metric": "error-rate", "stable": {"trials": 399, "events": 3}},
        {"metric": "worth", "stable": {"trials": 0, "events": 0}},
    ]
    found = read_fleet(Ledger(evidence), "c" * 40, ["desk"]).traffic["desk"]
    assert found.rates == {"latency": 120.5, "error-rate": 3.5 / 400}
