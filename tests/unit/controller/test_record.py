"""A decision as it stands in git: words for people, trailers for machines, one commit for a pass."""

from __future__ import annotations

import hashlib
import textwrap

from releasectl.adapters.git.trailers import append_trailers
from releasectl.controller.edits import EditedManifests
from releasectl.controller.record import Entry, commits, entry_of, message_of, trailers_of
from releasectl.decide.chain import decide
from releasectl.domain.decision import Action, PersonAction
from releasectl.domain.evidence import MetricState
from tests.builders import a_desired, a_release, a_request, a_state, an_input, an_observation, some_evidence

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: NAME}
spec:
  environment: local
  components:
    - name: app
      versions: [{name: "1", run: {command: [app]}}, {name: "2", run: {command: [app]}}]
  stable: {app: "1"}   # what serves now
  candidates: [{name: next, versions: {app: "2"}}]
  strategy: [{type: canary}]
  policy: careful
"""
MANIFEST = "---\n".join(["# both\n", RELEASE.replace("NAME", "bank"), RELEASE.replace("NAME", "shop")]).encode()
BAD = some_evidence(MetricState.BAD, summary="30 % of 90 against 1 % of 800: harm beyond the margin is proven")


def an_entry(state: MetricState = MetricState.BAD, name: str = "shop", path: str = "releases/shop.yaml") -> Entry:
    """A rollback on bad evidence, or a promotion on good."""
    release = a_release(name)
    before = a_state(release, step=1, path=path)
    row = BAD if state is MetricState.BAD else some_evidence(state)
    desired = a_desired(release)
    given = an_input(desired=desired, state=before, observed=an_observation(before), evidence=(row,))
    decision = decide(given)
    assert decision.state is not None
    moved = decision.model_copy(update={"state": decision.state.model_copy(update={"path": path})})
    return entry_of(given, moved)


def test_a_rollback_reads_like_this() -> None:
    entry = an_entry()
    assert message_of(entry) == textwrap.dedent("""\
        release(shop): roll back next

        Error-rate: 30 % of 90 against 1 % of 800: harm beyond the margin is proven.

        Stable serves everything: app 1. App 2 is held by its digest until a person lifts it.""")
    digest = hashlib.sha256(entry.content).hexdigest()
    assert trailers_of(entry) == [
        ("Releasectl-Decision", "ROLLBACK"),
        ("Releasectl-Release", "shop"),
        ("Releasectl-Variant", "next"),
        ("Releasectl-Reason", "GuardrailBreached"),
        ("Releasectl-Policy", "careful@c0ffee0"),
        ("Releasectl-Observed", "c0ffee" + "0" * 34),
        ("Releasectl-Evidence", f"releases/shop/decisions/000003.json sha256:{digest}"),
        ("Releasectl-Decision-Id", entry.decision.id),
    ]


def test_a_promotion_says_what_stable_is_now() -> None:
    message = message_of(an_entry(MetricState.OK))
    assert message.splitlines()[0] == "release(shop): promote next"
    assert message.endswith("Stable is now app 2.")


def test_a_subject_stays_within_72_characters() -> None:
    entry = an_entry(name="a-release-with-a-name-as-long-as-kubernetes-allows-in-a-label")
    assert len(message_of(entry).splitlines()[0]) <= 72


def test_the_decisions_of_a_pass_are_one_commit_of_the_ledger_and_each_edit_one_of_main() -> None:
    path = "releases/both.yaml"
    entries = [an_entry(MetricState.OK, "bank", path), an_entry(MetricState.BAD, "shop", path)]
    desired = {name: a_desired(a_release(name)) for name in ("bank", "shop")}
    edits = EditedManifests({path: MANIFEST}, desired)
    manifests, ledger = commits(entries, edit=edits.edit, with_trailers=append_trailers)
    assert len(ledger) == 1
    assert ledger[0].message.startswith(
        "releases: 2 decisions\n\n- bank: promote next\n- shop: roll back next\n\nReleasectl-Decision: PROMOTE\n"
    )
    assert sorted(ledger[0].writes) == [
        "releases/bank/decisions/000003.json",
        "releases/bank/state.json",
        "releases/shop/decisions/000003.json",
        "releases/shop/state.json",
    ]
    first, second = (commit.writes[path].decode() for commit in manifests)
    bank = RELEASE.replace("NAME", "bank").replace('stable: {app: "1"}', 'stable: {app: "2"}')
    bank, shop = ("".join(_without_candidates(text)) for text in (bank, RELEASE.replace("NAME", "shop")))
    assert first == "---\n".join(["# both\n", bank, RELEASE.replace("NAME", "shop")])
    assert second == "---\n".join(["# both\n", bank, shop]), "the second edit was not made on top of the first"


def _without_candidates(text: str) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if "candidates" not in line]


def test_a_promotion_whose_manifest_cannot_be_edited_is_not_recorded() -> None:
    entry = an_entry(MetricState.OK)
    edits = EditedManifests({"releases/shop.yaml": b"nothing: of the kind"}, {"shop": a_desired()})
    assert edits.blocked(entry.decision)
    assert not EditedManifests({"releases/shop.yaml": MANIFEST}, {"shop": a_desired()}).blocked(entry.decision)


def test_a_waiting_rollback_leaves_an_artifact_that_it_is_not_about() -> None:
    entry = an_entry()
    assert entry.decision.action is Action.ROLLBACK
    replaced = a_desired(a_release(candidates={"next": "3"}))
    assert EditedManifests({"releases/shop.yaml": MANIFEST}, {"shop": replaced}).edit(entry.decision) is None
    assert EditedManifests({"releases/shop.yaml": MANIFEST}, {"shop": a_desired()}).edit(entry.decision) is not None


def test_an_answered_request_leaves_the_ledger_with_its_answer() -> None:
    given = an_input(requests=(a_request(PersonAction.PAUSE),))
    entry = entry_of(given, decide(given))
    _, ledger = commits([entry], edit=lambda _: None, with_trailers=append_trailers)
    assert ledger[0].deletes == ("releases/shop/requests/pause-1.json",)
    assert entry.record["given"]["requests"][0]["by"] == "ada"
