"""Groups of users in simulated releases: counted apart, part of the whole, and judged like a real release's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from releasectl.cli.commands.simulate import simulate as command
from releasectl.cli.worlds import world_of
from releasectl.errors import UsageError
from releasectl.simulate.case import Case
from releasectl.simulate.summary import assumptions, figures, is_harmful, left_out, simulate
from releasectl.simulate.supposed import equal_world, harmful_world
from releasectl.simulate.world import Arrivals, Group, World
from tests.unit.simulate.cases import ENVIRONMENT, ONE, RELEASE, a_case

GUARDS = "{guardrails: [{metric: wrong, margin: {points: 5}SEGMENTS}], minSamples: 50, maxDuration: 30m}"
APART = ", segments: {by: language, minSamples: 100, most: 5}"
QUICK = "[{type: canary, steps: [50], interval: 1m}]"
SPANISH = "language=es:10%,wrong=+40%"
SHARES = np.array([[5_000, 5_000]])


@pytest.fixture(scope="module")
def case() -> Case:
    return a_case(policy=GUARDS.replace("SEGMENTS", APART), strategy=QUICK)


def typed(case: Case, *segment: str, effect: Sequence[str] = (), delay: Sequence[str] = ()) -> World:
    return world_of(
        case,
        traffic=100.0,
        baseline=("wrong=2%",),
        effect=effect,
        delay=delay,
        drift="0%",
        every=timedelta(seconds=30),
        looks=60,
        segment=segment,
    )


def told(case: Case, world: World, runs: int = 5) -> dict[str, float | None]:
    return {one.name: one.value for one in figures(simulate(case, world, runs, seed=3))}


def test_harm_to_one_group_in_ten_is_found_and_counts_as_harm_where_the_policy_guards_groups(case: Case) -> None:
    world = typed(case, SPANISH)
    assert is_harmful(case, world) == ("new",)
    assert told(case, world)["harm found"] == 1.0
    # 4 points of 5 in the whole.
    plain = a_case(policy=GUARDS.replace("SEGMENTS", ""), strategy=QUICK)
    assert is_harmful(plain, typed(plain, SPANISH)) == ()
    assert is_harmful(plain, typed(plain, "language=es:20%,wrong=+40%")) == ("new",)


def test_without_difference_the_candidate_is_promoted_whatever_groups_there_are(case: Case) -> None:
    found = told(case, equal_world(typed(case, SPANISH, "language=eu:1%")))
    assert (found["promoted"], found["false rollback"]) == (1.0, 0.0)


def test_harm_that_is_supposed_of_everybody_is_supposed_of_every_group(case: Case) -> None:
    world = harmful_world(case, typed(case, SPANISH))
    rate = world.rates["wrong"]
    assert rate.effect("new") == pytest.approx(0.1)
    assert {part: one.effects["new"] for part, one in rate.apart.items()} == {"language=es": 0.1, "": 0.1}


def test_the_whole_is_the_sum_of_the_groups_and_of_everybody_else(case: Case) -> None:
    world = typed(case, "language=es:60%,wrong=+10%", "language=eu:40%")
    _, known = Arrivals(world, ("stable", "new"), (1,)).draw(1, SHARES, np.array([2]))
    assert sorted(known) == ["wrong", "wrong{language=es}", "wrong{language=eu}"]
    whole, spanish, basque = (known[name] for name in sorted(known))
    assert (whole.trials == spanish.trials + basque.trials).all()
    assert (whole.events == spanish.events + basque.events).all()
    assert whole.epoch.tolist() == [2]
    # Nobody else is left at 60 and 40 %; each look has 3,000 requests.
    total = spanish.trials.sum()
    assert abs(total - 1_800) <= 4 * math.sqrt(3_000 * 0.6 * 0.4)


def test_metrics_counted_by_the_same_groups_are_about_the_same_requests() -> None:
    both = "{guardrails: [{metric: wrong}, {metric: length, margin: {units: 5}}]}"
    world = typed(a_case(policy=both, strategy=QUICK), "language=es:30%,length=+20")
    _, known = Arrivals(world, ("stable", "new"), (1,)).draw(1, SHARES, np.array([2]))
    spanish = known["length{language=es}"]
    assert (known["wrong{language=es}"].trials == spanish.trials).all()
    assert (known["length"].trials == known["wrong"].trials).all()
    means = spanish.values[0, :, 0] / spanish.trials[0]
    step = world.rates["length"].spread.step  # type: ignore[union-attr]
    assert (means[1] - means[0]) * step == pytest.approx(20, abs=5)


def test_groups_are_known_as_late_as_the_whole(case: Case) -> None:
    arrivals = Arrivals(typed(case, "language=es:30%", delay=["wrong=1m"]), ("stable", "new"), (1,))
    seen = [sorted(arrivals.draw(look, SHARES, np.array([look]))[1]) for look in (1, 2, 3)]
    assert seen == [[], [], ["wrong", "wrong{language=es}"]]


def test_a_group_that_is_not_told_of_an_effect_has_everybodys(case: Case) -> None:
    rate = typed(case, "language=es:25%,wrong=+9%", "language=eu:25%", effect=["wrong=+1%"]).rates["wrong"]
    assert {part: one.of("new", 1.0) for part, one in rate.apart.items()} == {
        "language=es": pytest.approx(0.11),
        "language=eu": pytest.approx(0.03),
        "": pytest.approx(0.03),
    }
    assert rate.effect("new") == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("segment", "wrong"),
    [
        ("language=es", "is not FIELD=VALUE:SHARE"),
        ("es:5%", "is not FIELD=VALUE:SHARE"),
        ("language=es:0%", "lies between 0% and 100%"),
        ("language=es:120%", "lies between 0% and 100%"),
        ("language=es:much", "'much' is not a rate"),
        ("country=es:5%", "no metric of the policy is counted by 'country'"),
        ("language=es:5%,click=+1%", "'click' is no metric that is counted by language"),
        ("language=es:5%,other/wrong=+1%", "--segment: no candidate 'other'"),
        ("language=es:5%,wrong", "has no '='"),
        ("language=es:5%,wrong=+99%", "--segment language=es wrong: new would be at 101 %"),
    ],
)
def test_a_segment_that_makes_no_sense_is_refused_in_words(case: Case, segment: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        typed(case, segment)


def test_groups_have_no_more_than_all_of_the_requests(case: Case) -> None:
    with pytest.raises(UsageError, match="have 110 % of the requests together"):
        typed(case, "language=es:60%", "language=eu:50%")


def test_the_world_is_told_with_its_groups(case: Case) -> None:
    world = typed(case, SPANISH, "language=eu:1%")
    assert assumptions(world)["segments"] == {
        "language=es": {"share": 0.1, "rates": {"wrong": {"new": pytest.approx(0.42)}}},
        "language=eu": {"share": 0.01, "rates": {}},
    }
    assert left_out(case, world) == ()


def test_groups_that_are_guarded_and_not_drawn_are_named(case: Case) -> None:
    (told,) = left_out(case, typed(case))
    assert told.startswith("wrong holds by language as well and no language is drawn")
    assert "--segment language=VALUE:SHARE draws them" in told


@pytest.mark.parametrize("output", ["table", "markdown", "json"])
def test_the_command_says_what_it_has_drawn_and_what_not(tmp_path: Path, output: str) -> None:
    policy = "apiVersion: releasectl.dev/v1alpha1\nkind: PromotionPolicy\nmetadata: {name: own}\nspec: "
    release = RELEASE.replace("CANDIDATES", ONE).replace("STRATEGY", QUICK).replace("POLICY", "own")
    (tmp_path / "release.yaml").write_text(release)
    (tmp_path / "policy.yaml").write_text(policy + GUARDS.replace("SEGMENTS", APART))
    (tmp_path / "env.yaml").write_bytes(ENVIRONMENT)
    asked = ["desk", "-R", str(tmp_path), "--runs", "2", "--baseline", "wrong=2%", "-o", output]

    def printed(*more: str) -> str:
        done = CliRunner().invoke(command, [*asked, *more], standalone_mode=False, catch_exceptions=False)
        return done.stdout

    without = printed()
    assert without.count("no language is drawn") == (2 if output == "json" else 1)
    drawn = printed("--segment", SPANISH)
    assert "no language is drawn" not in drawn
    assert "with the effect" in drawn
    assert ("10 % with language=es, wrong new 42 % there" in drawn) is (output != "json")


def test_a_group_of_no_difference_changes_no_level(case: Case) -> None:
    rate = typed(case, effect=["wrong=+1%"]).rates["wrong"]
    same = replace(rate, groups={"language=es": Group(0.3)})
    assert same.of("new", 1.0) == rate.of("new", 1.0)
