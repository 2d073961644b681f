"""Every rule as a fold: any split, any batch, the same state to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.stats.betting import Betting
from releasectl.stats.difference import DifferenceState, difference_init, difference_step
from releasectl.stats.horizon import Horizon
from releasectl.stats.srm import SampleRatio
from releasectl.stats.stratified import Stratified
from releasectl.stats.trials import Trials
from tests.unit.stats.series import TRIAL_RULES, folded, moments, piece, through_json, trials

rules = pytest.mark.parametrize("rule", TRIAL_RULES.values(), ids=TRIAL_RULES.keys())


@rules
@settings(deadline=None, max_examples=20)
@given(block=trials(), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_folding_in_any_split_gives_the_same_state_to_the_bit(rule, block, cuts):
    whole = rule.step(rule.init(), block)
    assert folded(rule, block, [c for c in cuts if c < block.ticks]).to_json() == whole.to_json()


@rules
@settings(deadline=None, max_examples=20)
@given(block=trials())
def test_the_running_value_is_the_value_of_each_tick(rule, block):
    _, running = rule.run(rule.init(), block)
    state = rule.init()
    for t in range(block.ticks):
        state = rule.step(state, piece(block, slice(t, t + 1)))
        assert float(getattr(state, "log_e", getattr(state, "score", None))) == float(running[t])


@rules
@settings(deadline=None, max_examples=20)
@given(one=trials(ticks=5), other=trials(ticks=5))
def test_a_batch_holds_what_each_comparison_holds_alone(rule, one, other):
    names = ("x_b", "n_b", "x_c", "n_c")
    both = Trials(*(np.stack([getattr(one, n), getattr(other, n)]) for n in names))
    together, alone = rule.step(rule.init((2,)), both), rule.step(rule.init(), other)
    assert float(together.peak[1]) == float(alone.peak)


@rules
@settings(deadline=None, max_examples=20)
@given(block=trials(), again=trials())
def test_a_peak_is_never_forgotten(rule, block, again):
    state = rule.step(rule.init(), block)
    assert float(rule.step(state, again).peak) >= float(state.peak)


@rules
@settings(deadline=None, max_examples=20)
@given(block=trials(ticks=4), at=st.integers(0, 4))
def test_a_block_without_ticks_changes_nothing(rule, block, at):
    state = rule.step(rule.init(), piece(block, slice(0, at)))
    after, running = rule.run(state, piece(block, slice(0, 0)))
    assert after.to_json() == state.to_json()
    assert running.shape == (0,)


@pytest.mark.parametrize("rule", [Stratified(v_opt=9.0, dispersion_from=2), Horizon(last_tick=6, from_tick=2)])
@settings(deadline=None, max_examples=20)
@given(block=moments(), cut=st.integers(0, 6))
def test_measured_values_fold_like_counts(rule, block, cut):
    assert folded(rule, block, [cut]).to_json() == rule.step(rule.init(), block).to_json()


@settings(deadline=None, max_examples=20)
@given(block=trials(), cut=st.integers(0, 12))
def test_the_sums_for_intervals_fold_too(block, cut):
    whole = difference_step(difference_init(), block)
    first = difference_step(difference_init(), piece(block, slice(0, cut)))
    second = difference_step(DifferenceState.from_json(first.to_json()), piece(block, slice(cut, None)))
    assert second.to_json() == whole.to_json()


@settings(deadline=None, max_examples=20)
@given(
    counts=st.lists(st.lists(st.integers(0, 500), min_size=3, max_size=3), min_size=1, max_size=8),
    cut=st.integers(0, 8),
)
def test_the_sample_ratio_folds_within_and_across_shares(counts, cut):
    rule, shares = SampleRatio(3), [0.5, 0.3, 0.2]
    whole = rule.step(rule.init(), counts, shares)
    first = through_json(rule.step(rule.init(), np.reshape(counts[:cut], (-1, 3)), shares))
    second = rule.step(first, np.reshape(counts[cut:], (-1, 3)), shares)
    assert second.to_json() == whole.to_json()


@settings(deadline=None, max_examples=20)
@given(x=st.lists(st.floats(0, 1), min_size=1, max_size=80), cut=st.integers(0, 80))
def test_betting_folds_and_keeps_infinite_capital(x, cut):
    rule = Betting(breaks=20)
    whole = rule.step(rule.init(), x)
    assert rule.step(through_json(rule.step(rule.init(), x[:cut])), x[cut:]).to_json() == whole.to_json()
