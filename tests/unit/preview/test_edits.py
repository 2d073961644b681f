"""What an edit does to a release, told before it is merged: the table of edits by people, row by row."""

from __future__ import annotations

from datetime import datetime

import pytest

from releasectl.controller.fleet import Fleet
from releasectl.domain.decision import Quarantine, Suspension
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.preview.document import Preview
from tests.builders import NOW, a_state
from tests.unit.preview.states import (
    BASE,
    ENVIRONMENT,
    IDLE,
    POLICY,
    RELEASE,
    at_rest,
    edited,
    on_trial,
    planned,
    release,
)

CANDIDATE = '    - {name: next, versions: {app: "2"}}'


@pytest.mark.parametrize(
    ("old", "new", "effect", "follows"),
    [
        pytest.param(
            CANDIDATE, '    - {name: other, versions: {app: "3"}}', "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_STARTED], id="another candidate in its place",
        ),
        pytest.param(
            'versions: {app: "2"}', 'versions: {app: "3"}', "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_STARTED], id="the candidate's version changed",
        ),
        pytest.param(
            "name: next", "name: renamed", "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_STARTED], id="the candidate renamed",
        ),
        pytest.param(
            CANDIDATE, CANDIDATE + '\n    - {name: more, versions: {app: "3"}}', "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_STARTED], id="a further candidate added",
        ),
        pytest.param(
            "  candidates:\n" + CANDIDATE + "\n", "", "ends",
            [Reason.CANDIDATE_WITHDRAWN], id="the candidate taken out",
        ),
        pytest.param(
            'stable: {app: "1"}', 'stable: {app: "3"}', "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.STABLE_CHANGED, Reason.CANDIDATE_STARTED], id="stable changed",
        ),
        pytest.param(
            "steps: [10, 50]", "steps: [5, 50]", "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.CANDIDATE_STARTED], id="the strategy changed",
        ),
        pytest.param(
            "  policy: careful", "  route: {prefix: /buy}\n  policy: careful", "restarts",
            [Reason.CANDIDATE_WITHDRAWN, Reason.MANIFEST_CHANGED, Reason.CANDIDATE_STARTED], id="the route changed",
        ),
    ],
)  # fmt: skip
def test_an_edit_during_a_trial_does_what_the_table_of_edits_says(
    old: str, new: str, effect: str, follows: list[Reason]
) -> None:
    found = edited(old, new, fleet=on_trial())
    assert (found.effect, [one.reason for one in found.follows]) == (effect, follows)


GRAPH = """\
    - name: ocr
      after: [pages]
      versions: [{name: "1", address: "o:1"}, {name: "2", address: "o:2"}]
    - name: pages
      versions: [{name: "1", address: "p:1"}, {name: "2", address: "p:2"}]
    - name: app
      after: [ocr]
"""
UNITS = (
    RELEASE.replace("    - name: app\n", GRAPH)
    .replace('stable: {app: "1"}', 'stable: {app: "1", ocr: "1", pages: "1"}')
    .replace('versions: {app: "2"}', 'versions: {app: "2", ocr: "1", pages: "2"}, unit: independent')
)


def turns(found: Preview) -> list[tuple[str, str, dict[str, str]]]:
    return [(turn.component, turn.version, dict(turn.takes_along)) for turn in found.turns]


def test_independent_units_are_told_in_the_order_of_the_graph_with_what_goes_with_each() -> None:
    found = edited("atomic", "independent", base=UNITS.replace("independent", "atomic"), fleet=at_rest(UNITS))
    assert turns(found) == [("pages", "2", {"app": "2"}), ("app", "2", {})]
    assert [(one.name, one.before, one.after) for one in found.changes] == [("next unit", "atomic", "independent")]
    assert found.follows[-1].message.startswith("next (pages 2 alone, app 2 after it) ready")


def test_what_does_not_need_the_first_component_does_not_go_with_it() -> None:
    loose = UNITS.replace("after: [ocr]", "after: []").replace("  policy:", "  entry: app\n  policy:")
    found = edited('app: "2"', 'app: "3"', base=loose, fleet=at_rest(loose))
    assert turns(found) == [("pages", "2", {}), ("app", "3", {})]


def test_a_line_whose_turn_has_not_come_is_told_and_the_trial_goes_on() -> None:
    found = edited('{app: "2", ocr', '{app: "3", ocr', base=UNITS, fleet=on_trial(UNITS))
    assert (found.effect, found.follows) == ("nothing", ())
    assert turns(found) == [("pages", "2", {"app": "3"}), ("app", "3", {})]


def test_a_unit_of_one_line_is_a_trial_like_any_other() -> None:
    found = edited('versions: {app: "2"}', 'versions: {app: "2"}, unit: independent', fleet=on_trial())
    assert (found.effect, found.turns) == ("nothing", ())


def test_steps_that_are_worked_out_are_told_as_steps() -> None:
    found = edited("steps: [10, 50]", "grow: {from: 2, to: 40, factor: 4}", fleet=on_trial())
    assert [(one.name, one.before, one.after) for one in found.changes] == [
        ("stage 1 (canary) steps", "[10.0, 50.0]", "[2.0, 8.0, 32.0, 40.0]")
    ]


def test_a_comment_changes_nothing_and_is_not_told_of() -> None:
    after = {**BASE, "releases/shop.yaml": RELEASE.replace("# what serves now", "# the good one")}
    found = planned(BASE, after, on_trial())
    assert found.releases == ()
    assert found.is_empty


def test_a_file_that_moved_is_told_and_changes_nothing() -> None:
    after = {("releases/moved.yaml" if path.startswith("releases") else path): text for path, text in BASE.items()}
    (found,) = planned(BASE, after, on_trial()).releases
    assert found.effect == "nothing"
    assert [(one.subject, one.before, one.after) for one in found.changes] == [
        ("file", "releases/shop.yaml", "releases/moved.yaml")
    ]


def test_a_policy_that_changed_lets_the_trial_go_on_under_new_rules() -> None:
    after = {**BASE, "policies/careful.yaml": POLICY.replace("points: 2", "points: 1")}
    (found,) = planned(BASE, after, on_trial()).releases
    assert (found.effect, found.follows) == ("tunes", ())
    assert "evidence begins anew" in found.summary
    assert [(c.name, c.before, c.after) for c in found.changes] == [("guardrails[0].margin.points", "2", "1")]


def test_a_release_that_is_deleted_goes() -> None:
    after = {path: text for path, text in BASE.items() if not path.startswith("releases")}
    (found,) = planned(BASE, after, on_trial()).releases
    assert (found.effect, [one.reason for one in found.follows]) == ("removes", [Reason.REMOVED])


def test_an_invalid_manifest_is_told_with_its_place_and_nothing_else() -> None:
    found = edited("policy: careful", "policy: carefull", fleet=on_trial())
    assert found.effect == "invalid"
    assert [(one.file, one.line, one.path) for one in found.problems] == [("releases/shop.yaml", 16, "spec.policy")]
    assert not found.follows


def test_a_candidate_starts_where_nothing_is_on_trial() -> None:
    found = edited("  strategy", f"  candidates:\n{CANDIDATE}\n  strategy", fleet=at_rest(), base=IDLE)
    assert (found.effect, [one.reason for one in found.follows]) == ("starts", [Reason.CANDIDATE_STARTED])
    assert found.ramp[0].shares == {STABLE: 90.0, "next": 10.0}


def test_a_held_artifact_is_told_to_be_held() -> None:
    tried = release(RELEASE).variant("next").versions["app"]
    held = Quarantine(
        release="shop", identity=tried.identity, component="app", version="2",
        reason=Reason.GUARDRAIL_BREACHED, decision="d", at=NOW,
    )  # fmt: skip
    state = a_state(release(IDLE), step=None, quarantine=(held,))
    fleet = Fleet({"shop": state}, {held.key: held})
    found = edited("  strategy", f"  candidates:\n{CANDIDATE}\n  strategy", fleet=fleet, base=IDLE)
    assert found.effect == "held"
    assert found.held_by is not None
    assert found.held_by.reason is Reason.QUARANTINED
    assert "releasectl lift shop" in found.summary


def test_a_freeze_that_holds_at_the_time_of_the_change_is_told() -> None:
    frozen = ENVIRONMENT + (
        "spec:\n  freeze: [{from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z', reason: audit, owner: Ana}]\n"
    )
    before = {**BASE, "releases/shop.yaml": IDLE, "environments/local.yaml": frozen}
    after = {**before, "releases/shop.yaml": RELEASE}
    (found,) = planned(before, after, at_rest()).releases
    assert found.held_by is not None
    assert found.held_by.reason is Reason.FROZEN
    assert any(stop.kind == "freeze" and "audit (ask Ana)" in stop.text for stop in found.stops)
    later = datetime.fromisoformat("2026-03-01T00:00:00Z")
    (found,) = planned(before, after, at_rest(), at=later).releases
    assert found.effect == "starts"
    assert not any(stop.kind == "freeze" for stop in found.stops)


def test_a_cap_that_is_reached_lets_the_release_wait_for_its_turn() -> None:
    capped = ENVIRONMENT + "spec: {caps: {maxConcurrent: 1}}\n"
    before = {**BASE, "releases/shop.yaml": IDLE, "environments/local.yaml": capped}
    other = release(RELEASE.replace("name: shop", "name: other"))
    fleet = Fleet({**at_rest().states, "other": a_state(other)})
    (found,) = planned(before, {**before, "releases/shop.yaml": RELEASE}, fleet).releases
    assert found.held_by is not None
    assert found.held_by.reason is Reason.WAITING_FOR_TURN


def test_a_paused_release_does_not_start() -> None:
    pause = Suspension(by="Tom", at=NOW)
    fleet = Fleet({"shop": a_state(release(IDLE), step=None, suspension=pause)})
    found = edited("  strategy", f"  candidates:\n{CANDIDATE}\n  strategy", fleet=fleet, base=IDLE)
    assert found.held_by is not None
    assert found.held_by.reason is Reason.SUSPENDED


def test_a_release_that_no_controller_knows_is_adopted_first() -> None:
    before = {path: text for path, text in BASE.items() if not path.startswith("releases")}
    (found,) = planned(before, BASE).releases
    assert [one.reason for one in found.follows] == [Reason.ADOPTED, Reason.CANDIDATE_STARTED]
    assert [(one.sign, one.subject) for one in found.changes] == [("+", "release")]


def test_a_release_asked_for_by_name_is_told_although_nothing_changes() -> None:
    (found,) = planned(BASE, BASE, on_trial(), only="shop").releases
    assert found.effect == "nothing"
    assert found.ramp
    assert found.forecast is not None


def test_what_the_base_comes_to_anyway_is_not_said_to_follow_from_the_change() -> None:
    after = {**BASE, "policies/careful.yaml": POLICY.replace("points: 2", "points: 1")}
    (found,) = planned(BASE, after).releases
    assert (found.effect, found.follows) == ("tunes", ())


def test_a_default_that_is_written_out_changes_nothing() -> None:
    after = {**BASE, "policies/careful.yaml": POLICY + "  whenInconclusive: rollback\n"}
    assert planned(BASE, after, on_trial()).is_empty
