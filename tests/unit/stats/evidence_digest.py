"""Evidence of 1,000 made-up decisions, printed as two digests: as it is recorded, and to the last bit.

    python -m tests.unit.stats.evidence_digest

The counts come from a hash, not from a random generator whose stream may change with a version, and rates span
rare to common, few trials to many, ramps and empty arms.
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from releasectl import stats

DECISIONS = 1000
TICKS = 12


def uniforms(name: str) -> Iterator[float]:
    """Numbers in [0, 1) that depend on the name alone."""
    block = 0
    while True:
        digest = hashlib.sha256(f"{name}/{block}".encode()).digest()
        for i in range(0, 32, 4):
            yield int.from_bytes(digest[i : i + 4], "big") / 2**32
        block += 1


def counts(decision: int) -> dict[str, list[int]]:
    """Good outcomes and trials of both arms, tick by tick."""
    u = uniforms(f"decision {decision}")
    rate = (0.999, 0.99, 0.95, 0.8, 0.5, 0.2, 0.05, 0.005)[decision % 8]
    size = (20, 100, 1000, 100_000)[decision // 8 % 4]
    found: dict[str, list[int]] = {"x_b": [], "n_b": [], "x_c": [], "n_c": []}
    for tick in range(TICKS):
        canary = round(size * (0.05, 0.10, 0.25, 0.50)[tick * 4 // TICKS])
        trials = {"b": size - canary, "c": 0 if next(u) < 0.02 else canary}
        drift = 1 - 0.1 * next(u)
        for arm, n in trials.items():
            mean = n * rate * drift * (1 - 0.1 * next(u) if arm == "c" else 1)
            noise = sum(next(u) for _ in range(6)) - 3  # near normal, variance 1/2
            good = round(mean + noise * (2 * mean * (1 - mean / max(n, 1))) ** 0.5)
            found[f"x_{arm}"].append(min(max(good, 0), n))
            found[f"n_{arm}"].append(n)
    return found


def evidence(decision: int) -> list[float]:
    """Everything a decision record keeps for these counts."""
    arms = counts(decision)
    block = stats.Trials.of_good(**arms)
    starts = stats.spread_starts(TICKS, every=3)
    plan = max(1e-3, float(stats.expected_variance(ticks=TICKS, n_b=arms["n_b"][3], n_c=arms["n_c"][0] + 1, rate=0.9)))
    rules = (
        stats.TwoByTwo(starts=starts),
        stats.TwoByTwo(margin=0.01),
        stats.Conditional(starts=starts),
        stats.Stratified(v_opt=plan, dispersion_from=4),
        stats.Horizon(last_tick=TICKS + 1, dispersion_from=4),
        stats.Odds(v_plan=plan, starts=starts, dispersion_from=4),
        stats.Odds(v_plan=plan, looks=TICKS, margin=0.01, claim="better"),
    )
    values: list[float] = []
    for rule in rules:
        after, running = rule.run(rule.init(), block)
        values += [*running.tolist(), float(after.peak)]
    for total in stats.SampleRatio(arms=2).run(
        stats.SampleRatio(arms=2).init(), np.stack([block.n_b, block.n_c], axis=-1), (0.8, 0.2)
    )[1]:
        values.append(float(total))
    wins = np.array([sum(arms["x_b"]), sum(arms["x_c"])]) + 1.0
    losses = np.array([sum(arms["n_b"]), sum(arms["n_c"])]) + 2.0 - wins
    best = stats.prob_best_beta(a=[*wins, 3.0], b=[*losses, 40.0])
    values += [*best.p_best.tolist(), *best.expected_loss.tolist()]
    values += stats.allocate(p_best=best.p_best.tolist(), floors=200).basis_points
    return values


def main() -> None:
    """Print the digests."""
    found = [evidence(decision) for decision in range(DECISIONS)]
    recorded = json.dumps([stats.rounded(values).tolist() for values in found])
    bits = b"".join(np.array(values).tobytes() for values in found)
    print(hashlib.sha256(recorded.encode()).hexdigest(), hashlib.sha256(bits).hexdigest())


if __name__ == "__main__":
    main()
