"""A bot's proposal: new versions and a candidate, and every other byte of the file as it was."""

from __future__ import annotations

import pytest
from hypothesis import given

from releasectl.domain.release import Candidate, Interface, Process, Version
from releasectl.errors import ManifestError
from releasectl.manifests.edit import drop
from releasectl.manifests.load import load_file
from releasectl.manifests.propose import Proposal, propose
from tests.unit.manifests.layouts import Layout, layouts

NEW = Version(
    name="2.0",
    artifact="oci://models/ocr@sha256:" + "a" * 64,
    run=Process(command=("python", "serve.py", "--model", "yes: #1")),
)
PROPOSAL = Proposal(Candidate(name="ocr-2", versions={"ocr": "2.0"}), {"ocr": NEW})

MANIFEST = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components:
    - name: ocr
      # the good old one
      versions:
        - name: "1.0"   # since spring
          address: 127.0.0.1:9001
          # it has served well
    # the end of components
  stable: {ocr: "1.0"}   # what serves

  strategy:
    - {type: canary}
  policy: safe-default
"""


def test_what_is_added_reads_as_if_a_person_had_written_it() -> None:
    proposed = propose(MANIFEST.encode(), "desk", PROPOSAL).decode()
    assert proposed == MANIFEST.replace(
        "          # it has served well\n",
        "          # it has served well\n"
        '        - name: "2.0"\n'
        f"          artifact: oci://models/ocr@sha256:{'a' * 64}\n"
        "          run:\n"
        "            command:\n"
        "              - python\n"
        "              - serve.py\n"
        "              - --model\n"
        "              - 'yes: #1'\n",
    ).replace(
        '  stable: {ocr: "1.0"}   # what serves\n',
        '  stable: {ocr: "1.0"}   # what serves\n'
        "  candidates:\n"
        "    - name: ocr-2\n"
        "      versions:\n"
        '        ocr: "2.0"\n',
    )


def test_it_stays_on_one_line_where_its_neighbours_do() -> None:
    text = MANIFEST.replace(
        "  strategy:", '  candidates: [{name: other, versions: {ocr: "1.0"}}]  # tried\n  strategy:'
    )
    proposed = propose(text.encode(), "desk", PROPOSAL).decode()
    added = '  candidates: [{name: other, versions: {ocr: "1.0"}}, {name: ocr-2, versions: {ocr: "2.0"}}]  # tried\n'
    assert added in proposed


def test_an_empty_list_of_candidates_is_filled() -> None:
    text = MANIFEST.replace("  strategy:", "  candidates: []\n  strategy:")
    assert (
        '  candidates: [{name: ocr-2, versions: {ocr: "2.0"}}]\n' in propose(text.encode(), "desk", PROPOSAL).decode()
    )


def test_a_contract_is_added_where_there_is_none_and_never_replaced() -> None:
    contract = Interface(request={"type": "object", "required": ["text"]})
    with_contract = Proposal(PROPOSAL.candidate, PROPOSAL.versions, {"ocr": contract})
    once = propose(MANIFEST.encode(), "desk", with_contract)
    assert b"    - name: ocr\n      interface:\n        request:\n          type: object\n" in once
    other = Proposal(PROPOSAL.candidate, PROPOSAL.versions, {"ocr": Interface(request={"type": "string"})})
    assert propose(once, "desk", other) == once


@given(layout=layouts())
def test_in_any_layout_every_line_stays_and_the_proposal_is_there(layout: Layout) -> None:
    before = layout.render(0).encode()
    after = propose(before, "desk", PROPOSAL)
    [document] = load_file("m.yaml", after).documents
    assert document.value is not None
    assert document.value.variant("ocr-2").versions["ocr"] == NEW  # type: ignore[union-attr]
    assert propose(after, "desk", PROPOSAL) == after, "to propose again changes nothing"
    remaining = iter(after.decode().split("\n"))
    gained = "name: ocr-2", 'name: "2.0"'
    for line in before.decode().split("\n"):
        found = next((other for other in remaining if _is_kept(line, other, gained)), None)
        assert found is not None, line


def _is_kept(line: str, other: str, gained: tuple[str, ...]) -> bool:
    """Whether a line is there as it was, or with an addition of ours in it."""
    if line == other.removesuffix("\r") or line == other:
        return True
    return any(part in other for part in gained) and _is_subsequence(line.strip(), other)


def _is_subsequence(line: str, other: str) -> bool:
    rest = iter(other)
    return all(character in rest for character in line)


@given(layout=layouts())
def test_a_candidate_that_is_dropped_again_leaves_the_file_as_with_the_version_alone(layout: Layout) -> None:
    before = layout.render(0).encode()
    proposed = propose(before, "desk", PROPOSAL)
    dropped = drop(proposed, "desk", ("ocr-2",))
    assert b"ocr-2" not in dropped
    assert NEW in load_file("m.yaml", dropped).documents[0].value.component("ocr").versions  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("proposal", "message"),
    [
        pytest.param(
            Proposal(Candidate(name="new", versions={"ocr": "1.0"}), {"ocr": Version(name="1.0", address="other:1")}),
            "ocr has a version '1.0' already, and it is another one",
            id="a name that is taken by another version",
        ),
        pytest.param(
            Proposal(Candidate(name="new", versions={"asr": "2"}), {"asr": Version(name="2", address="a:1")}),
            "declares no component 'asr'",
            id="a component that is not there",
        ),
    ],
)
def test_what_cannot_be_proposed_is_refused_with_the_reason(proposal: Proposal, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        propose(MANIFEST.encode(), "desk", proposal)


def test_a_release_that_is_not_in_the_file_is_refused() -> None:
    with pytest.raises(ManifestError, match="declares no release 'other'"):
        propose(MANIFEST.encode(), "other", PROPOSAL)
