"""What a rollback holds back, against whom, and for how long."""

from __future__ import annotations

import pytest

from releasectl.decide.quarantine import Scope, holding, holds
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from tests.builders import NOW, a_release

TRIED = a_release(stable="1", candidates={"next": "2"})
ANOTHER_STABLE = a_release(stable="3", candidates={"next": "2"})


def is_held(reason: Reason, scope: Scope, *, again: bool) -> bool:
    """Whether version 2, taken back beside version 1, may not be tried again: beside 1, or beside 3."""
    held = holds("shop", [TRIED.variant("next")], TRIED.variant(STABLE), reason=reason, decision="d", at=NOW)
    later = TRIED if again else ANOTHER_STABLE
    return holding(later.variant("next"), later.variant(STABLE), held, scope) is not None


@pytest.mark.parametrize("scope", ["artifact", "combination"])
def test_what_was_not_better_is_refused_while_the_same_stable_serves_and_free_beside_another(scope: Scope) -> None:
    assert is_held(Reason.NOT_BETTER, scope, again=True)
    assert not is_held(Reason.NOT_BETTER, scope, again=False)


def test_c17_what_was_harmful_is_refused_whatever_serves() -> None:
    assert is_held(Reason.GUARDRAIL_BREACHED, "artifact", again=True)
    assert is_held(Reason.GUARDRAIL_BREACHED, "artifact", again=False)
