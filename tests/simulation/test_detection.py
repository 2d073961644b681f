"""How soon harm is found: the odds rule against every always-valid rule and against planned looks.

The requests that the canary serves until it is rolled back are compared on the same counts, so noise is shared; the
tolerance is three standard errors of the difference.
"""

import numpy as np
import pytest

from tests.bench import peers
from tests.bench.peers import Ticks
from tests.bench.report import Detection
from tests.bench.rules import OURS
from tests.bench.worlds import HARM_WORLDS, LATE_WORLDS, TICKS, Counts, World, draw

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS = 2000
WITHOUT_AN_END = ("2x2 e-process", "conditional e-process, rarer outcome", "CS stratified")
SMALL_HARM = next(world for world in HARM_WORLDS if world.name == ".05 -10%")
JUDGES = {rule.name: rule.judge for rule in OURS}


def named(world: World) -> str:
    return world.name


def exposed(ticks: Ticks) -> np.ndarray:
    """Canary requests of every run, in units of a tick's."""
    return np.where(ticks > 0, ticks, TICKS).astype(float)


def excess(ticks: Ticks, over: Ticks, *, factor: float) -> tuple[float, float]:
    """Mean of exposure less factor times the other's, and three standard errors of it."""
    gap = exposed(ticks) - factor * exposed(over)
    return float(gap.mean()), float(3 * gap.std(ddof=1) / np.sqrt(gap.size))


@pytest.mark.parametrize("world", HARM_WORLDS, ids=named)
def test_harm_is_found_within_a_tenth_of_the_best_rule_without_an_end(world: World) -> None:
    counts = draw(world, RUNS)
    ours = JUDGES["odds"](world, counts)
    for name in WITHOUT_AN_END:
        mean, tolerance = excess(ours, JUDGES[name](world, counts), factor=1.1)
        assert mean <= tolerance, name


@pytest.fixture(scope="module")
def small_harm() -> Counts:
    return draw(SMALL_HARM, RUNS)


def test_small_harm_is_found_far_sooner_than_by_rules_without_an_end(small_harm: Counts) -> None:
    ours = Detection.of(SMALL_HARM, JUDGES["odds"](SMALL_HARM, small_harm))
    best = Detection.of(SMALL_HARM, JUDGES["CS stratified"](SMALL_HARM, small_harm))
    assert ours.share > best.share + 0.1
    assert ours.exposed < 0.9 * best.exposed


def test_small_harm_is_found_sooner_than_by_twenty_planned_looks(small_harm: Counts) -> None:
    ours = JUDGES["odds"](SMALL_HARM, small_harm)
    mean, tolerance = excess(ours, peers.obrien_fleming(small_harm), factor=0.9)
    assert mean <= tolerance
    # The price of speed, and of not planning looks: some of the power at the end.
    assert (ours > 0).mean() > (peers.obrien_fleming(small_harm) > 0).mean() - 0.08


def test_small_harm_is_found_as_often_as_by_a_judge_with_twice_the_false_alarms(small_harm: Counts) -> None:
    ours = JUDGES["odds"](SMALL_HARM, small_harm.head(300))
    theirs = peers.kayenta(small_harm.head(300))
    mean, tolerance = excess(ours, theirs, factor=1.0)
    assert mean <= tolerance
    assert (ours > 0).mean() >= (theirs > 0).mean()


@pytest.mark.parametrize("world", LATE_WORLDS, ids=named)
def test_spread_starts_find_late_harm_sooner(world: World) -> None:
    counts = draw(world, RUNS)
    spread = Detection.of(world, JUDGES["odds, spread starts"](world, counts))
    first = Detection.of(world, JUDGES["odds"](world, counts))
    assert spread.exposed < 0.95 * first.exposed
    assert spread.too_soon < 0.05
