"""Error rates, detection, promotion, regret and cost of our rules beside those of other tools.

    python -m tests.bench.stats [--quick] [--only rollback,harm,late,promotion,regret,cost]

200 ticks of 1000 requests, alpha 0.05 one-sided, 4000 runs (Kayenta 300), all runs of a world in one call. Every
world has its own stream, numpy's default_rng([20261124, its number]), so a row can be repeated alone. Numbers after
± are standard errors. "peer" marks rules of other tools or textbooks, written anew here from their description
(tests/bench/peers.py); MABWiser alone is the real thing, and is left out where it is not installed.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import scipy

from releasectl.stats import Odds, SampleRatio, Trials, TwoByTwo, normal_log_mixture, prob_best_beta
from tests.bench import promotion, regret, rules
from tests.bench.report import Detection, percent, table, with_error
from tests.bench.worlds import HARM_WORLDS, LATE_WORLDS, NULL_WORLDS, SEED, TICKS, World, draw

RUNS, QUICK_RUNS = 4000, 400
REGRET_RUNS, QUICK_REGRET_RUNS = 200, 12


def judged(world: World, runs: int) -> dict[str, tuple[rules.Ticks, float]]:
    """Of every rule that applies, by name: first ticks of all runs, and microseconds a tick and run."""
    counts, found = draw(world, runs), {}
    for rule in rules.RULES:
        if rule.applies_to(world):
            some = counts.head(min(runs, rule.runs or runs))
            begin = time.process_time()
            ticks = rule.judge(world, some)
            found[rule.name] = ticks, (time.process_time() - begin) / some.x_b.size * 1e6
    return found


def rollback_table(runs: int) -> str:
    """Table 1: how often a harmless canary is rolled back."""
    by_world = [judged(world, runs) for world in NULL_WORLDS]
    rows = []
    for rule in rules.RULES:
        found = [of_rule.get(rule.name) for of_rule in by_world]
        cells = ["-" if one is None else with_error(float((one[0] > 0).mean()), one[0].size) for one in found]
        cost = np.median([one[1] for one in found if one is not None])
        rows.append([rule.name, rule.whose, *cells, f"{cost:.2f}"])
    head = ["rule", "whose", *(world.name for world in NULL_WORLDS), "us a step"]
    return table("1. False rollback of a harmless canary by tick 200, %", head, rows)


def harm_table(title: str, worlds: Sequence[World], runs: int) -> str:
    """Tables 2 and 2b: share rolled back / median ticks / mean requests the canary served in harm."""
    by_world = [judged(world, runs) for world in worlds]
    rows = []
    for rule in rules.RULES:
        cells = [
            str(Detection.of(world, of_rule[rule.name][0])) if rule.name in of_rule else "-"
            for world, of_rule in zip(worlds, by_world, strict=True)
        ]
        rows.append([rule.name, rule.whose, *cells])
    return table(title, ["rule", "whose", *(world.name for world in worlds)], rows)


def promotion_table(runs: int) -> str:
    """Table 3: share promoted by tick 200, and the median tick."""
    rows = []
    worlds = [(world, draw(world, runs)) for world in promotion.WORLDS]
    for rule in promotion.RULES:
        cells = []
        for world, counts in worlds:
            found = Detection.of(world, rule.judge(counts))
            median = "" if found.median_delay is None else f" ({found.median_delay:.0f})"
            cells.append(f"{with_error(found.share, runs)}{median}")
        rows.append([rule.name, rule.whose, *cells])
    head = ["rule", "whose", *(world.name for world in promotion.WORLDS)]
    return table("3. Promoted by tick 200, 500 + 500 requests a tick, p = .05, % (median tick)", head, rows)


def regret_table(runs: int) -> str:
    """Table 4: expected clicks lost."""
    chance, floored = regret.best_chance(), regret.best_chance(floor=200)
    stepped = regret.best_chance(floor=200, step=1000)
    ours: list[tuple[str, Callable[[regret.Scene], regret.Outcome]]] = [
        ("equal split", lambda s: regret.play(s, regret.equal_split, runs=runs)),
        ("P(best), no floor", lambda s: regret.play(s, chance, runs=runs)),
        ("P(best), floor 2 %", lambda s: regret.play(s, floored, runs=runs)),
        ("... and step 10 points", lambda s: regret.play(s, stepped, runs=runs)),
        ("P(best), discount .98, floor 2 %", lambda s: regret.play(s, floored, runs=runs, discount=0.98)),
        ("P(best), discount .97, no floor", lambda s: regret.play(s, chance, runs=runs, discount=0.97)),
        ("top-two 1/2", lambda s: regret.play(s, regret.top_two, runs=runs)),
    ]
    rows = [[name, "ours", *(_lost(policy(scene)) for scene in regret.SCENES)] for name, policy in ours]
    name = "Thompson, one draw per request"
    rows.append([name, "peer", *(_lost(regret.thompson_per_request(s, runs=runs)) for s in regret.SCENES)])
    theirs = regret.mabwiser_policies()
    if theirs is None:
        rows.append(["MABWiser", "peer", *("not installed" for _ in regret.SCENES)])
    else:
        for name, make in theirs.items():
            played = [regret.play_mabwiser(scene, make, runs=max(runs // 4, 4)) for scene in regret.SCENES]
            rows.append([f"{name}, one arm a tick", "peer", *map(_lost, played)])
    title = "4. Clicks lost in 200 ticks of 1000 requests (last share of the best arm)"
    return table(title, ["policy", "whose", *(scene.name for scene in regret.SCENES)], rows)


def _lost(outcome: regret.Outcome) -> str:
    return f"{outcome.mean:.0f} ±{outcome.se:.0f} ({outcome.last_share.mean():.2f})"


def cost_table() -> str:
    """Table 5: microseconds a call for one release, when thousands are batched; and the import."""
    rng = np.random.default_rng([SEED, 90])
    releases = 2000
    shape = (releases, 50)
    arms = {"n_b": np.full(shape, 900), "n_c": np.full(shape, 100)}
    block = Trials.of_good(x_b=rng.binomial(900, 0.9, shape), x_c=rng.binomial(100, 0.9, shape), **arms)
    totals = {"s": rng.normal(size=10**6), "v": rng.uniform(1, 9, 10**6)}
    exact, odds, ratio = TwoByTwo(), Odds(v_plan=1620.0, looks=200), SampleRatio(arms=2)
    counts = rng.multinomial(1000, [0.9, 0.1], size=shape)
    rows = [
        ["two_by_two step", _cost(lambda: exact.run(exact.init((releases,)), block), block.x_b.size), "1"],
        ["odds step", _cost(lambda: odds.run(odds.init((releases,)), block), block.x_b.size), "-"],
        ["normal mixture", _cost(lambda: normal_log_mixture(**totals, v_opt=5.0), 10**6), "0.1"],
        ["sample ratio", _cost(lambda: ratio.run(ratio.init((releases,)), counts, (0.9, 0.1)), block.x_b.size), "0.2"],
    ]
    for k, limit in ((2, "60"), (3, "130"), (5, "350")):
        n = rng.integers(200, 20_000, (releases, k))
        wins = rng.binomial(n, 0.05)
        posteriors = {"a": 1 + wins, "b": 1 + n - wins}
        rows.append([f"P(best), {k} arms", _cost(lambda p=posteriors: prob_best_beta(**p), releases), limit])
    rows.append(["import releasectl.stats, ms", _import_cost(), "150"])
    return table("5. Cost on one core, us a release", ["what", "measured", "target"], rows)


def _cost(call: Callable[[], object], units: int) -> str:
    call()
    best = np.inf
    for _ in range(3):
        begin = time.process_time()
        call()
        best = min(best, time.process_time() - begin)
    return f"{best / units * 1e6:.3g}"


def _import_cost() -> str:
    """Of the package alone, and with the first use, which loads numpy and scipy.special."""
    code = (
        "import sys, time; t = time.process_time; a = t(); import releasectl.stats as s; b = t(); "
        "s.two_by_two_log_e; s.prob_best; c = t(); "
        "print(f'{1e3 * (b - a):.0f}', f'{1e3 * (c - a):.0f}', 'with' + 'out' * ('scipy.stats' not in sys.modules))"
    )
    found = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "123"]
    alone, used, loaded = min((run.stdout.split() for run in found), key=lambda words: int(words[1]))
    return f"{alone}, {used} with first use, {loaded} scipy.stats"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stats", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs instead of {RUNS}: about a minute")
    parser.add_argument("--only", default="rollback,harm,late,promotion,regret,cost", help="tables, by comma")
    options = parser.parse_args(arguments)
    runs = QUICK_RUNS if options.quick else RUNS
    tables: dict[str, Callable[[], str]] = {
        "rollback": lambda: rollback_table(runs),
        "harm": lambda: harm_table(
            "2. Harm from the first tick: % rolled back / median ticks / canary requests", HARM_WORLDS, runs
        ),
        "late": lambda: harm_table(
            "2b. Harm from tick 101: % rolled back / median ticks later / canary requests in harm", LATE_WORLDS, runs
        ),
        "promotion": lambda: promotion_table(runs),
        "regret": lambda: regret_table(QUICK_REGRET_RUNS if options.quick else REGRET_RUNS),
        "cost": cost_table,
    }
    print(
        f"{runs} runs x {TICKS} ticks, alpha {percent(rules.ALPHA)} %, streams default_rng([{SEED}, world]);",
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}",
    )
    begin = time.perf_counter()
    for name in options.only.split(","):
        print(tables[name](), flush=True)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
