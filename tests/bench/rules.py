"""Rules that roll back, ours beside the peers', each on the same counts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releasectl.stats import (
    AT_FIRST,
    Horizon,
    Odds,
    Starts,
    Stratified,
    Trials,
    conditional_log_e,
    expected_variance,
    spread_starts,
    two_by_two_log_e,
)
from tests.bench import peers
from tests.bench.peers import Ticks, first_true
from tests.bench.worlds import TICKS, Counts, World, canary_requests

ALPHA = 0.05
DISPERSION_FROM = 10
STARTS = spread_starts(TICKS, first=0.8)


@dataclass(frozen=True)
class BenchRule:
    """A rule, whose it is, and where it can be used; `runs` limits the slow ones."""

    name: str
    whose: Literal["ours", "peer"]
    judge: Callable[[World, Counts], Ticks]
    rates: tuple[float, ...] = (0.99, 0.80, 0.05)
    runs: int | None = None

    def applies_to(self, world: World) -> bool:
        """Fixed thresholds make no sense at every rate."""
        return world.rate in self.rates


def information(world: World, ticks: int = TICKS) -> NDArray[np.float64]:
    """What a planner knows: the V that every tick will bring if the rate stays as it is."""
    n_c = canary_requests(world, ticks)
    return expected_variance(ticks=1, n_b=world.requests_per_tick - n_c, n_c=n_c, rate=world.rate)


def _crossed(log_e: NDArray[np.float64], threshold: float = float(np.log(1 / ALPHA)), first: int = 1) -> Ticks:
    return first_true((log_e >= threshold) & (np.arange(log_e.shape[-1]) + 1 >= first))


def two_by_two(world: World, counts: Counts, *, starts: Starts = AT_FIRST) -> Ticks:
    """Exact 2x2 e-process over the default drops."""
    return _crossed(two_by_two_log_e(**counts.arguments(), starts=starts))


def conditional(world: World, counts: Counts) -> Ticks:
    """Exact conditional e-process on the rarer outcome."""
    good_is_rare = world.rate < 0.5
    y_b, y_c = (counts.x_b, counts.x_c) if good_is_rare else (counts.n_b - counts.x_b, counts.n_c - counts.x_c)
    arms = {"y_b": y_b, "n_b": counts.n_b, "y_c": y_c, "n_c": counts.n_c}
    if good_is_rare:  # fewer good outcomes are the harm: ask of the baseline whether it has more of them
        arms = {"y_b": y_c, "n_b": counts.n_c, "y_c": y_b, "n_c": counts.n_b}
    return _crossed(conditional_log_e(**arms))


def stratified(world: World, counts: Counts, *, dispersion_from: int | None = None) -> Ticks:
    """Stratified normal mixture, tuned to half of the duration."""
    rule = Stratified(v_opt=float(information(world)[: TICKS // 2].sum()), dispersion_from=dispersion_from)
    log_e = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return _crossed(log_e, first=max(5, dispersion_from or 0))


def horizon(world: World, counts: Counts, *, dispersion_from: int | None = None) -> Ticks:
    """Wang-Tsiatis boundary calibrated for the last tick."""
    rule = Horizon(last_tick=TICKS, plan=tuple(information(world).tolist()), dispersion_from=dispersion_from)
    score = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return _crossed(score, rule.boundary)


def odds_rule(world: World, *, starts: Starts = AT_FIRST, dispersion_from: int | None = None) -> Odds:
    """The odds rule as a planner would freeze it for this world."""
    plan = information(world)
    return Odds(
        v_plan=float(plan.sum()),
        looks=float(plan.sum() / plan.min()),
        alpha=ALPHA,
        starts=starts,
        dispersion_from=dispersion_from,
    )


def odds(world: World, counts: Counts, *, starts: Starts = AT_FIRST, dispersion_from: int | None = None) -> Ticks:
    """Conditional odds-ratio e-process aimed at what the stage can show."""
    rule = odds_rule(world, starts=starts, dispersion_from=dispersion_from)
    log_e = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return _crossed(log_e, rule.threshold, first=dispersion_from or 1)


def _peer(judge: Callable[..., Ticks], **settings: object) -> Callable[[World, Counts], Ticks]:
    return lambda world, counts: judge(counts, **settings)


PEERS = (
    BenchRule("Flagger docs: >=99 %, threshold 10", "peer", _peer(peers.flagger), rates=(0.99,)),
    BenchRule("Argo docs: >=.95, failureLimit 3", "peer", _peer(peers.argo_rollouts), rates=(0.99,)),
    BenchRule("Argo docs: >=.95, failureLimit 0", "peer", _peer(peers.argo_rollouts, failure_limit=0), rates=(0.99,)),
    BenchRule("threshold 1 % below baseline, limit 3", "peer", _peer(peers.below_baseline, by=0.01)),
    BenchRule("threshold 20 % below baseline, limit 3", "peer", _peer(peers.below_baseline, by=0.20)),
    BenchRule("z test 5 %, peeked each tick", "peer", _peer(peers.z_peeked)),
    BenchRule("z test, once at 200", "peer", _peer(peers.z_once)),
    BenchRule("Kayenta, each tick from 10", "peer", _peer(peers.kayenta), runs=300),
    BenchRule("Kayenta, once at 200", "peer", _peer(peers.kayenta, only_last=True), runs=300),
    BenchRule("O'Brien-Fleming, 20 looks", "peer", _peer(peers.obrien_fleming)),
    BenchRule("constant z for exactly 200 looks", "peer", _peer(peers.constant_z)),
    BenchRule("CS on pooled totals", "peer", _peer(peers.pooled_normal_mixture)),
)

OURS = (
    BenchRule("2x2 e-process", "ours", two_by_two),
    BenchRule("2x2 e-process, spread starts", "ours", partial(two_by_two, starts=STARTS)),
    BenchRule("conditional e-process, rarer outcome", "ours", conditional),
    BenchRule("CS stratified", "ours", stratified),
    BenchRule("CS stratified + dispersion", "ours", partial(stratified, dispersion_from=DISPERSION_FROM)),
    BenchRule("horizon", "ours", horizon),
    BenchRule("horizon + dispersion", "ours", partial(horizon, dispersion_from=DISPERSION_FROM)),
    BenchRule("odds", "ours", odds),
    BenchRule("odds, spread starts", "ours", partial(odds, starts=STARTS)),
    BenchRule("odds + dispersion", "ours", partial(odds, dispersion_from=DISPERSION_FROM)),
    BenchRule(
        "odds, spread starts + dispersion", "ours", partial(odds, starts=STARTS, dispersion_from=DISPERSION_FROM)
    ),
)

RULES = PEERS + OURS
