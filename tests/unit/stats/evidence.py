"""Print digests of the evidence of a thousand decisions: of its exact bits, and of what is stored.

Run as a program, so that a test can run it under other settings of the processor and other Pythons. The
inputs come from integer arithmetic alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from releasectl import stats
from tests.unit.stats.series import TRIAL_RULES, counted

DECISIONS = 1000
TICKS = 12


def states() -> Iterator[np.ndarray]:
    """Every number in the states of every rule after twelve ticks of a thousand comparisons."""
    seeds = range(DECISIONS)
    blocks = [counted(seed, TICKS, per_mille=900 - seed % 800, harm=seed % 7 * 10) for seed in seeds]
    names = ("x_b", "n_b", "x_c", "n_c")
    block = stats.Trials(*(np.stack([getattr(b, name) for b in blocks]) for name in names))
    for rule in TRIAL_RULES.values():
        state = rule.step(rule.init((DECISIONS,)), block)
        yield from (np.asarray(getattr(state, name)) for name in state.__dataclass_fields__)
    sums = stats.difference_step(stats.difference_init((DECISIONS,)), block)
    for interval in (stats.difference_interval, stats.ratio_interval):
        found = interval(sums, alpha=0.05, v_opt=100.0)
        yield from (found.low, found.high)
    counts = np.stack([block.n_b, block.n_c + block.x_c % 5], axis=-1)
    yield stats.SampleRatio(2).step(stats.SampleRatio(2).init((DECISIONS,)), counts, [0.9, 0.1]).log_e
    yield stats.normal_mixture_bound(v=block.x_b, alpha=0.05, v_opt=100.0)
    yield stats.bernoulli_confidence_interval(num_successes=block.x_c, num_trials=block.n_c, t_opt=100)
    yield stats.betting_cs(x=block.x_c[:50] / block.n_c[:50], breaks=100).lower
    yield np.array([stats.power_boundary(alpha=a, shape=0.4, first=f) for a in (0.05, 0.01) for f in (0.02, 0.1)])


def digests() -> tuple[str, str]:
    """Of all bits, and of all numbers as they are stored: rounded to nine decimals."""
    bits, stored = hashlib.sha256(), hashlib.sha256()
    for value in states():
        number = np.ascontiguousarray(value, dtype="<f8")
        bits.update(number.tobytes())
        stored.update(np.ascontiguousarray(stats.rounded(number), dtype="<f8").tobytes())
    return bits.hexdigest(), stored.hexdigest()


if __name__ == "__main__":
    print(*digests())
