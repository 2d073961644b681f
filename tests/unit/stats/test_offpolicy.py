"""Off-policy estimates on logs small enough to check by hand, and the gate before them."""

import math

import numpy as np
import pytest

from releasectl import stats

LOG = {"reward": [1.0, 0.0, 1.0, 0.0], "action": [0, 1, 0, 1], "pscore": [0.5, 0.5, 0.8, 0.2]}
TARGET = [[0.25, 0.75], [0.25, 0.75], [0.4, 0.6], [0.0, 1.0]]
Q = [[0.6, 0.3], [0.6, 0.3], [0.6, 0.3], [0.6, 0.3]]
WEIGHTS = np.array([0.5, 1.5, 0.5, 5.0])


def test_weights_are_chance_over_chance() -> None:
    ask = {"action": LOG["action"], "pscore": LOG["pscore"]}
    assert stats.importance_weights(**ask, action_dist=TARGET).tolist() == WEIGHTS.tolist()
    with_position = np.array(TARGET)[:, :, None]
    assert stats.importance_weights(**ask, action_dist=with_position).tolist() == WEIGHTS.tolist()
    chosen_only = [0.25, 0.75, 0.4, 1.0]
    assert stats.importance_weights(**ask, action_dist=chosen_only).tolist() == WEIGHTS.tolist()


def test_by_hand() -> None:
    r = np.array(LOG["reward"])
    q_chosen = np.array([0.6, 0.3, 0.6, 0.3])
    modelled = (np.array(TARGET) * np.array(Q)).sum(axis=1)
    assert stats.ipw(**LOG, action_dist=TARGET) == pytest.approx((WEIGHTS * r).mean())
    assert stats.ipw_standard_error(**LOG, action_dist=TARGET) == pytest.approx((WEIGHTS * r).std(ddof=1) / 2)
    assert stats.snipw(**LOG, action_dist=TARGET) == pytest.approx((WEIGHTS * r).sum() / WEIGHTS.sum())
    assert stats.dm(action_dist=TARGET, q_hat=Q) == pytest.approx(modelled.mean())
    rest = WEIGHTS * (r - q_chosen)
    assert stats.dr(**LOG, action_dist=TARGET, q_hat=Q) == pytest.approx((modelled + rest).mean())
    assert stats.sndr(**LOG, action_dist=TARGET, q_hat=Q) == pytest.approx(modelled.mean() + rest.sum() / WEIGHTS.sum())
    assert stats.kish_ess(WEIGHTS) == pytest.approx(WEIGHTS.sum() ** 2 / (WEIGHTS**2).sum())


def test_replay_keeps_rows_where_both_agree() -> None:
    ask = {"reward": [1.0, 0.0, 1.0], "action": [0, 1, 1]}
    assert stats.replay(**ask, action_dist=[0, 0, 1]) == 1.0
    assert stats.replay(**ask, action_dist=[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]) == 1.0
    assert math.isnan(stats.replay(reward=[1.0], action=[0], action_dist=[1]))


def test_the_policy_that_ran_earns_what_it_earned() -> None:
    rng = np.random.default_rng(2)
    action = rng.integers(0, 3, 500)
    reward = rng.random(500)
    same = np.full((500, 3), 1 / 3)
    ask = {"reward": reward, "action": action, "pscore": np.full(500, 1 / 3), "action_dist": same}
    assert stats.ipw(**ask) == pytest.approx(reward.mean())
    assert stats.snipw(**ask) == pytest.approx(reward.mean())


def test_no_rows_are_nan_and_refused() -> None:
    empty = {"reward": [], "action": [], "pscore": [], "action_dist": np.empty((0, 2))}
    assert math.isnan(stats.ipw(**empty))
    assert math.isnan(stats.snipw(**empty))
    found = stats.gate(weights=[])
    assert not found.allowed
    assert found.reason == "the log has no rows"


def test_a_row_that_cannot_have_happened_is_refused() -> None:
    with pytest.raises(ValueError, match="positive chance"):
        stats.ipw(reward=[1.0], action=[0], pscore=[0.0], action_dist=[[1.0, 0.0]])


@pytest.mark.parametrize(
    ("weights", "allowed", "reason"),
    [
        (np.ones(1000), True, "1000 effective rows of 1000"),
        (np.ones(50), False, "only 50.0 effective rows of 50; at least 100 are needed"),
        (np.r_[1e6, np.ones(9999)], False, "only 1.0 effective rows of 10000; at least 100 are needed"),
        (
            np.r_[np.ones(150), np.zeros(29_850)],
            False,
            "only 0.50 % of 30000 rows are effective; at least 1 % is needed",
        ),
        (np.zeros(500), False, "only 0.0 effective rows of 500; at least 100 are needed"),
    ],
)
def test_the_gate_says_why(weights: np.ndarray, allowed: bool, reason: str) -> None:
    found = stats.gate(weights=weights)
    assert (found.allowed, found.reason) == (allowed, reason)


def test_standard_errors_by_hand() -> None:
    r, total = np.array(LOG["reward"]), WEIGHTS.sum()
    estimate = (WEIGHTS * r).sum() / total
    wanted = np.sqrt(((WEIGHTS * (r - estimate)) ** 2).sum()) / total
    assert stats.snipw_standard_error(**LOG, action_dist=TARGET) == pytest.approx(wanted)
    terms = (np.array(TARGET) * np.array(Q)).sum(axis=1) + WEIGHTS * (r - np.array([0.6, 0.3, 0.6, 0.3]))
    found = stats.dr_standard_error(**LOG, action_dist=TARGET, q_hat=Q)
    assert found == pytest.approx(terms.std(ddof=1) / 2)


def test_without_rows_standard_errors_are_nan() -> None:
    empty = {"reward": [], "action": [], "pscore": [], "action_dist": np.empty((0, 2))}
    assert math.isnan(stats.snipw_standard_error(**empty))
    assert math.isnan(stats.dr_standard_error(**empty, q_hat=np.empty((0, 2))))
