"""Agreement of two people: against a table worked out by hand, another program, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from releasectl.stats.kappa import cohen_kappa


def test_a_table_worked_out_by_hand() -> None:
    # Observed (20 + 15) / 50 = 0.7; expected 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa 0.2 / 0.5.
    # The formula's three terms: on the diagonal 0.4 (1 - 1.1 * 0.6)^2 + 0.3 (1 - 0.9 * 0.6)^2 = 0.10972; off it, each
    # cell with the second person's share of the first's category and the other way round; (0.4 - 0.5 * 0.6)^2 = 0.01.
    found = cohen_kappa(table=[[20, 5], [10, 15]])
    off = 0.36 * (0.1 * (0.6 + 0.5) ** 2 + 0.2 * (0.4 + 0.5) ** 2)
    assert found.observed == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.se == pytest.approx(math.sqrt((0.10972 + off - 0.01) / 12.5), rel=1e-12)
    assert found.lower == pytest.approx(0.4 - 1.959963984540054 * found.se)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_scikit_learn_computes(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 4, size=80)
    other = np.where(rng.random(80) < 0.6, one, rng.integers(0, 4, size=80))
    table = np.zeros((4, 4))
    np.add.at(table, (one, other), 1)
    assert cohen_kappa(table=table).kappa == pytest.approx(metrics.cohen_kappa_score(one, other), rel=1e-12)


def test_the_standard_error_is_the_spread_over_many_pairs_of_people() -> None:
    p = np.array([[0.35, 0.05, 0.02], [0.08, 0.25, 0.03], [0.02, 0.05, 0.15]])
    tables = np.random.default_rng(3).multinomial(400, p.ravel(), size=3000).reshape(-1, 3, 3)
    found = [cohen_kappa(table=table) for table in tables]
    truth = cohen_kappa(table=p * 1e6)
    spread = float(np.std([one.kappa for one in found]))
    # The standard error of a standard deviation of 3,000 is 1.3 % of it.
    assert cohen_kappa(table=p * 400).se == pytest.approx(spread, rel=0.06)
    covered = np.mean([one.lower <= truth.kappa <= one.upper for one in found])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / 3000) + 0.01)


def test_the_order_of_people_and_of_categories_does_not_matter() -> None:
    table = np.array([[9, 2, 1], [0, 7, 3], [4, 1, 6]])
    turned = cohen_kappa(table=table.T)
    mixed = cohen_kappa(table=table[[2, 0, 1]][:, [2, 0, 1]])
    for other in (turned, mixed):
        assert (other.kappa, other.se) == pytest.approx((cohen_kappa(table=table).kappa, cohen_kappa(table=table).se))


@pytest.mark.parametrize("table", [np.zeros((2, 2)), [[7, 0], [0, 0]]])
def test_where_it_is_not_defined_nothing_is_claimed(table) -> None:
    found = cohen_kappa(table=table)
    assert math.isnan(found.kappa)
    assert (found.lower, found.upper) == (-1.0, 1.0)
