"""`releasectl metrics ope`: what other shares would have earned, from git and the event log."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.cli.main import cli
from releasectl.domain.decision import PersonAction
from releasectl.errors import UsageError
from releasectl.ports import Outcome, Prediction
from tests.scenarios.world import World

METRICS = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: clicks}
spec: {metrics: [{name: clicks, direction: higher, query: {log: {outcome: click}}}]}
"""
RATES = {"stable": 0.1, "next": 0.3}


async def on_trial(world: World) -> None:
    """A canary of version 2 with 10 percent, and a metric that the event log tells."""
    world.write("metrics/clicks.yaml", METRICS)
    world.write("environments/local.yaml", world.read("environments/local.yaml") + PROVIDERS)
    world.write("policies/careful.yaml", world.read("policies/careful.yaml") + "  objectives: [{metric: clicks}]\n")
    world.add_candidate("2")
    await world.run_until(lambda: world.state().progress is not None)


PROVIDERS = "spec: {providers: [{type: envoy}, {type: log}]}\n"


def fill(world: World, rows: int, **more: Any) -> None:
    """Exposures of the present allocation with their outcomes, as applications post them."""
    state, rng = world.state(), np.random.default_rng(5)
    predictions, outcomes = [], []
    for number in range(rows):
        variant = "next" if rng.random() < 0.1 else "stable"
        told = {
            "tag": state.variants[variant].tag,
            "allocation_id": state.epoch,
            "propensity": state.allocation.share(variant) / 10_000,
        }
        request = f"{len(more)}-{more.get('tag', '')}-{number}"
        predictions.append(Prediction(request, "shop", variant, world.clock.at, **{**told, **more}))
        clicked = float(rng.random() < RATES[variant])
        outcomes.append(Outcome("click", clicked, world.clock.at + timedelta(seconds=1), request_id=request))
    log = EventLog(world.folder / "reader" / "events.sqlite")
    log.append(predictions, outcomes)
    log.close()


def asked(world: World, *arguments: str) -> Result:
    place = ["-R", str(world.origin), "--state", str(world.folder / "reader")]
    return CliRunner().invoke(cli, ["metrics", "ope", *arguments, *place], standalone_mode=False)


@pytest.fixture(autouse=True)
def folder(world: World) -> None:
    (world.folder / "reader").mkdir()


async def test_it_tells_what_other_shares_would_have_earned(world: World) -> None:
    await on_trial(world)
    fill(world, 4000)
    done = asked(world, "shop", "--shares", "stable=50,next=50", "-o", "json")
    assert done.return_value == 0, done.output
    told = json.loads(done.output)
    assert told["exposures"] == 4000
    assert told["served"]["value"] == pytest.approx(0.12, abs=0.02)
    for name in ("ips", "snips", "dr"):
        assert abs(told["estimates"][name]["value"] - 0.2) < 4 * told["estimates"][name]["se"]
    shown = asked(world, "shop", "--shares", "stable=50,next=50").output
    assert "clicks of shop with stable 50 %, next 50 %" in shown
    assert "SNIPS" in shown


async def test_it_refuses_in_words_when_the_log_says_too_little(world: World) -> None:
    await on_trial(world)
    fill(world, 300)
    done = asked(world, "shop", "--shares", "next=100")
    assert done.return_value == 1
    assert "refused: only" in done.output
    assert "effective rows of 300; at least 100 are needed" in done.output
    assert "IPS" not in done.output


async def test_other_versions_under_the_name_and_exposures_without_propensity_do_not_count(world: World) -> None:
    await on_trial(world)
    fill(world, 1000)
    fill(world, 50, tag="anothert")
    fill(world, 70, propensity=None)
    told = json.loads(asked(world, "shop", "--shares", "stable=100", "-o", "json").output)
    assert (told["exposures"], told["withoutPropensity"]) == (1000, 70)


async def test_after_its_end_the_last_trial_is_asked(world: World) -> None:
    await on_trial(world)
    epoch = world.state().epoch
    fill(world, 1000)
    world.ask(PersonAction.ROLLBACK)
    await world.run_until(lambda: world.state().progress is None)
    told = json.loads(asked(world, "shop", "--shares", "stable=100", "-o", "json").output)
    assert (told["decisions"], told["exposures"]) == ([epoch, epoch], 1000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop", "--shares", "stable=50,next=40"], "add up to 90 %"),
        (["shop", "--shares", "stable=x"], "'stable=x' is not a share"),
        (["shop", "--shares", "stable=50,third=50"], "no variant 'third'"),
        (["shop", "--shares", "stable=100", "--metric", "error-rate"], "no metric that the event log tells"),
        (["shap", "--shares", "stable=100"], "no valid release 'shap'"),
    ],
)
async def test_a_question_that_cannot_be_put_is_told(world: World, arguments: list[str], message: str) -> None:
    await on_trial(world)
    fill(world, 1)
    with pytest.raises(UsageError, match=message):
        raise asked(world, *arguments).exception or AssertionError("it was accepted")


async def test_a_folder_without_an_event_log_is_told(world: World) -> None:
    await on_trial(world)
    with pytest.raises(UsageError, match="there is no event log"):
        raise asked(world, "shop", "--shares", "stable=100").exception or AssertionError("it was accepted")
