"""What `run --once` says of its pass."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from releasectl.cli.roundup import SHOWN, tell_pass
from releasectl.controller.passes import Report
from releasectl.domain.reasons import Reason
from releasectl.domain.status import Condition, ReleaseStatus
from releasectl.ports import WorkloadPhase
from tests.builders import NOW
from tests.scenarios.world import World


def told(world: World, report: Report) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        tell_pass(report, world.seen)
    return [dict(line) for line in lines]


async def test_it_counts_what_was_done_and_names_what_waits_and_why(world: World) -> None:
    world.workloads.set_phase("app", "1", WorkloadPhase.STARTING)
    first, waits, more = told(world, await world.run_pass())
    assert (first["event"], first["releases"], first["adopted"], first["waiting"]) == ("pass made", 1, 0, 1)
    assert (waits["release"], waits["reason"]) == ("shop", "WaitingForReadiness")
    assert waits["message"] == "stable is not ready: app 1: starting"
    assert "the same command again" in more["run"]


async def test_an_adoption_is_counted_in_the_pass_that_made_it(world: World) -> None:
    counted = []
    for _ in range(3):
        first, *_ = told(world, await world.run_pass())
        counted.append(first["adopted"])
    assert sum(counted) == 1
    assert first == {
        "event": "pass made",
        "log_level": "info",
        "releases": 1,
        "adopted": 0,
        "decided": 0,
        "waiting": 0,
        "stalled": 0,
        "problems": 0,
    }


async def test_a_repository_without_releases_is_told_where_they_belong(world: World) -> None:
    world.write("releases/shop.yaml", None)
    lines = told(world, await world.run_pass())
    assert [line["event"] for line in lines] == ["pass made", "the manifests branch declares no release"]


async def test_a_fleet_that_waits_is_counted_beyond_the_first(world: World) -> None:
    report = await world.run_pass()
    condition = Condition(type="Reconciling", reason=Reason.DWELLING, message="8 s left", since=NOW)
    many = tuple(ReleaseStatus(name=f"r{n}", phase="trial", condition=condition) for n in range(SHOWN + 5))
    world.seen = world.seen.model_copy(update={"releases": many})
    lines = told(world, report)
    assert sum(line["event"] == "waits" for line in lines) == SHOWN
    assert [line["number"] for line in lines if line["event"] == "more wait"] == [5]
