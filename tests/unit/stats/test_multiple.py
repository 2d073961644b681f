"""Several metrics, the ledger, and the sample ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.stats.ledger import Ledger
from releasectl.stats.multiple import bonferroni, e_bh, e_bh_log, multipletests, weighted_log_e
from releasectl.stats.srm import SampleRatio, srm_log_bayes_factor

evidence = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(e=evidence, alpha=st.floats(0.001, 0.3))
def test_e_bh_rejects_the_largest_and_more_at_a_larger_alpha(e, alpha):
    chosen = e_bh(e=e, alpha=alpha).tolist()
    assert set(chosen) <= set(e_bh(e=e, alpha=min(1.0, 2 * alpha)).tolist())
    if chosen:
        rest = [v for j, v in enumerate(e) if j not in chosen]
        assert min(e[j] for j in chosen) >= max(rest, default=0.0)


def test_e_bh_of_infinite_and_of_no_evidence():
    assert e_bh(e=[np.inf, 0.0], alpha=0.05).tolist() == [0]
    assert e_bh_log(log_e=[], alpha=0.05).tolist() == []


@settings(deadline=None, max_examples=60)
@given(log_e=st.lists(st.floats(-20, 20), min_size=2, max_size=6))
def test_an_average_lies_between_its_parts_and_bonferroni_implies_it(log_e):
    weights = [1 / len(log_e)] * len(log_e)
    mean = float(weighted_log_e(log_e=log_e, weights=weights))
    assert min(log_e) - 1e-9 <= mean <= max(log_e) + 1e-9
    if bonferroni(peaks=log_e, weights=weights, alpha=0.05).any():
        assert mean >= math.log(20) - 1e-8


def test_weights_must_not_spend_more_than_one():
    with pytest.raises(ValueError, match="add to more"):
        weighted_log_e(log_e=[0.0, 0.0], weights=[0.8, 0.3])


@settings(deadline=None, max_examples=60)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_adjusted_p_values_are_ordered_by_strictness(p):
    adjusted = {m: multipletests(p=p, method=m).adj for m in ("bonferroni", "holm", "fdr_bh", "fdr_by")}
    assert np.all(adjusted["fdr_bh"] <= adjusted["holm"] + 1e-12)
    assert np.all(adjusted["holm"] <= adjusted["bonferroni"] + 1e-12)
    assert np.all(adjusted["fdr_bh"] <= adjusted["fdr_by"] + 1e-12)
    assert np.all(np.asarray(p) <= adjusted["fdr_bh"] + 1e-12)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="unknown method"):
        multipletests(p=[0.1], method="guess")


def test_the_ledger_gives_out_its_budget_once():
    ledger = Ledger(0.05).spend("errors", 0.04).spend("latency", 0.01)
    assert ledger.left == pytest.approx(0.0)
    assert ledger.of("errors") == 0.04
    with pytest.raises(ValueError, match="is left"):
        ledger.spend("clicks", 0.01)
    with pytest.raises(ValueError, match="already"):
        ledger.spend("errors", 0.001)
    with pytest.raises(KeyError):
        ledger.of("clicks")


def test_a_split_keeps_proportions():
    ledger = Ledger.split(0.05, {"exact": 1, "dispersed": 4})
    assert ledger.of("dispersed") == pytest.approx(0.04)
    assert ledger.spent == pytest.approx(0.05)
    with pytest.raises(ValueError, match="positive"):
        Ledger.split(0.05, {"exact": 0.0})


@settings(deadline=None, max_examples=60)
@given(counts=st.permutations([520, 480, 90]))
def test_the_sample_ratio_does_not_know_the_arms_names(counts):
    shares = {520: 0.5, 480: 0.4, 90: 0.1}
    value = srm_log_bayes_factor(counts=counts, theta0=[shares[c] for c in counts])
    assert float(value) == pytest.approx(float(srm_log_bayes_factor(counts=[520, 480, 90], theta0=[0.5, 0.4, 0.1])))


def test_no_units_no_evidence_and_a_unit_where_none_may_be_is_proof():
    assert float(srm_log_bayes_factor(counts=[0, 0], theta0=[0.9, 0.1])) == pytest.approx(0.0, abs=1e-9)
    assert float(srm_log_bayes_factor(counts=[5, 1], theta0=[1.0, 0.0])) == np.inf
    assert np.isfinite(srm_log_bayes_factor(counts=[5, 0], theta0=[1.0, 0.0]))


def test_factors_of_successive_shares_multiply():
    rule = SampleRatio(2, concentration=500)
    first, second = [[940, 60], [955, 45]], [[500, 480]]
    state = rule.step(rule.step(rule.init(), first, [0.95, 0.05]), second, [0.5, 0.5])
    parts = [
        srm_log_bayes_factor(counts=[1895, 105], theta0=[0.95, 0.05], dirichlet_concentration=500),
        srm_log_bayes_factor(counts=[500, 480], theta0=[0.5, 0.5], dirichlet_concentration=500),
    ]
    assert float(state.log_e) == pytest.approx(float(sum(parts)))


def test_a_broken_split_is_found():
    rule = SampleRatio(2)
    state = rule.step(rule.init(), [[900, 100]] * 50, [0.9, 0.1])
    assert not bool(state.breached(0.01))
    assert bool(rule.step(state, [[920, 80]] * 20, [0.9, 0.1]).breached(0.01))
