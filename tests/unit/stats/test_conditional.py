"""The conditional e-process for rare events."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import special

from releasectl.stats.conditional import Conditional, conditional_log_e
from releasectl.stats.trials import Trials
from tests.unit.stats.series import trials


@pytest.mark.parametrize("margin", [0.0, 0.3])
@pytest.mark.parametrize("rate", [0.05, 0.4, 0.9])
def test_the_mean_e_value_of_binomial_counts_is_at_most_one(margin, rate):
    rule, n_b, n_c = Conditional(margin=margin), 7, 3
    total, r = 0.0, min(1.0, rate * (1 + margin))
    for y_b, y_c in itertools.product(range(n_b + 1), range(n_c + 1)):
        chance = special.binom(n_b, y_b) * rate**y_b * (1 - rate) ** (n_b - y_b)
        chance *= special.binom(n_c, y_c) * r**y_c * (1 - r) ** (n_c - y_c)
        block = Trials.of_events(y_b=[y_b], n_b=[n_b], y_c=[y_c], n_c=[n_c])
        total += chance * np.exp(float(rule.step(rule.init(), block).log_e))
    assert total <= 1 + 1e-12


@settings(deadline=None, max_examples=60)
@given(block=trials(most=60))
def test_only_the_ratio_of_exposures_matters(block):
    rule = Conditional()
    one = rule.step(rule.init(), block).log_e
    ten = rule.step(rule.init(), Trials(block.x_b, 10 * block.n_b, block.x_c, 10 * block.n_c)).log_e
    assert float(ten) == pytest.approx(float(one), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(block=trials(most=60))
def test_the_order_of_ticks_does_not_matter_when_all_start_at_once(block):
    rule = Conditional()
    back = Trials(*(getattr(block, n)[::-1] for n in ("x_b", "n_b", "x_c", "n_c")))
    a, b = rule.step(rule.init(), block).log_e, rule.step(rule.init(), back).log_e
    assert float(a) == pytest.approx(float(b), abs=1e-9)


def test_no_event_is_no_evidence_and_events_may_exceed_exposure():
    quiet = conditional_log_e(y_b=[0, 0], n_b=[5, 0], y_c=[0, 0], n_c=[5, 5])
    assert np.allclose(quiet, 0, atol=1e-12)
    assert conditional_log_e(y_b=[4], n_b=[0.5], y_c=[40], n_c=[0.5])[0] > 5
    with pytest.raises(ValueError, match="not negative"):
        conditional_log_e(y_b=[-1], n_b=[1], y_c=[0], n_c=[1])
