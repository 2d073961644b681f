"""What people are shown: from a pass, and from git alone."""

from __future__ import annotations

from datetime import timedelta

from releasectl.controller.desired import DesiredSet
from releasectl.controller.gitseen import GitFault, GitView
from releasectl.controller.ledger import Ledger
from releasectl.controller.passes import Considered, Report
from releasectl.controller.site import SiteView
from releasectl.controller.status import StatusBoard, report_from_git
from releasectl.decide.chain import decide
from releasectl.decide.inputs import Input
from releasectl.domain.decision import Allocation, Suspension
from releasectl.domain.evidence import MetricState
from releasectl.domain.reasons import Reason
from releasectl.errors import ManifestError, Problem
from releasectl.ports import Served
from tests.builders import NOW, a_desired, a_state, an_input, an_observation, some_evidence

BROKEN = ManifestError((Problem("releases/shop.yaml", 3, 5, "spec.polizy", "is not known"),))


def a_report(given: Input | None = None, *, second: int = 0, **more: object) -> Report:
    state = a_state()
    served = {"shop": Served(Allocation(shares={"stable": 9_000, "next": 1_000}), 2)}
    values: dict[str, object] = {
        "at": NOW + timedelta(seconds=second),
        "considered": {"shop": Considered(given, decide(given))} if given else {},
        "git": GitView(desired=DesiredSet("c1", {"shop": a_desired()}), ledger=Ledger({"shop": state})),
        "states": {"shop": state},
        "views": {"local": SiteView(served=served)},
    }
    return Report(**values | more)  # type: ignore[arg-type]


def test_a_trial_is_shown_with_its_shares_its_step_and_its_numbers() -> None:
    shop = StatusBoard("origin").update(a_report(an_input()), lambda name: f"http://x/{name}/").releases[0]
    assert (shop.phase, shop.url) == ("trial", "http://x/shop/")
    assert shop.stage is not None
    assert (shop.stage.type, shop.stage.step, shop.stage.steps) == ("canary", 1, 2)
    assert [(one.name, one.share, one.served) for one in shop.variants] == [
        ("stable", 9_000, 9_000),
        ("next", 1_000, 1_000),
    ]
    assert [row.metric for row in shop.evidence] == ["error-rate"]


def test_a_router_that_does_not_answer_leaves_what_is_served_unknown() -> None:
    report = a_report(an_input(), views={"local": SiteView(router_fault="no answer")})
    status = StatusBoard("origin").update(report, lambda _: None)
    assert [one.served for one in status.releases[0].variants] == [None, None]
    assert status.problems == ("RouterUnavailable: local: no answer",)


def test_since_moves_when_the_condition_does_and_not_at_each_pass() -> None:
    board = StatusBoard("origin")
    waiting, collecting = (
        an_input(evidence=(some_evidence(state, step_trials=n),))
        for state, n in (
            (MetricState.STALE, 9),
            (MetricState.INCONCLUSIVE, 9),
        )
    )
    seen = []
    for second, given in enumerate((waiting, waiting, collecting, collecting, waiting)):
        condition = board.update(a_report(given, second=second), lambda _: None).releases[0].condition
        assert condition is not None
        seen.append((condition.reason, (condition.since - NOW).seconds))
    assert seen == [
        (Reason.METRICS_UNAVAILABLE, 0),
        (Reason.METRICS_UNAVAILABLE, 0),
        (Reason.COLLECTING_SAMPLES, 2),
        (Reason.COLLECTING_SAMPLES, 2),
        (Reason.METRICS_UNAVAILABLE, 4),
    ]


def test_a_fault_of_releasectl_is_shown_at_the_release_it_hit() -> None:
    shop = StatusBoard("origin").update(a_report(faults={"shop": "KeyError: 'x'"}), lambda _: None).releases[0]
    assert shop.condition is not None
    assert (shop.condition.type, shop.condition.reason) == ("Stalled", Reason.INTERNAL_ERROR)


def test_a_paused_release_says_so_whatever_else_it_does() -> None:
    state = a_state(suspension=Suspension(by="ada", at=NOW))
    report = a_report(an_input(state=state, observed=an_observation(state)), states={"shop": state})
    shop = StatusBoard("origin").update(report, lambda _: None).releases[0]
    assert shop.phase == "paused"
    assert shop.suspension is not None


def test_git_alone_tells_what_was_decided_and_what_is_wrong() -> None:
    view = GitView(
        desired=DesiredSet("c1", {}, {"shop": BROKEN, "new": BROKEN}),
        ledger=Ledger({"shop": a_state()}),
        fault=GitFault(Reason.GIT_UNAVAILABLE, "no route to host"),
    )
    status = report_from_git(view, "origin", NOW)
    assert (status.source, status.problems) == ("git", ("GitUnavailable: no route to host",))
    assert [(one.name, one.phase) for one in status.releases] == [("new", "new"), ("shop", "trial")]
    for one in status.releases:
        assert one.condition is not None
        assert "releases/shop.yaml:3:5" in one.condition.message
        assert all(variant.served is None for variant in one.variants)
