"""The press desk's story: a good idea fails beside the old model, and passes once the graph around it has changed.

OCR 2.0 smooths scans. That helps on noisy pages, and costs small print the fine lines that sentiment 1.0, a list of
words, cannot do without. Sentiment 2.0, which looks at letters, makes do with what is left. The manifests are the
example's, and every answer is as it was recorded from the real models; see ``desk.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scenarios.desk import MANIFEST, RELEASE, DeskWorld

pytestmark = pytest.mark.slow

MEASURED = "ocr 2.0 was measured with sentiment 1.0; the graph has changed since"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[DeskWorld]:
    """Adopted, and serving."""
    desk = DeskWorld(tmp_path)
    await desk.run_for(3)
    yield desk
    desk.close()


async def test_what_ruins_small_print_goes_back_and_passes_once_the_graph_around_it_has_changed(
    desk: DeskWorld,
) -> None:
    before = desk.read(MANIFEST)

    desk.try_out("smooth", ocr="2.0")
    decision = await desk.decided()
    assert (decision["action"], decision["reason"], decision["candidate"]) == (
        "ROLLBACK",
        "GuardrailBreached",
        "smooth",
    )
    # The whole is no worse: what noisy pages gain hides what small print loses.
    assert decision["message"].startswith("correct: with print=small ")
    assert decision["message"].endswith("harm beyond the margin is proven there; 6 points worse is accepted")
    (held,) = desk.state(RELEASE).quarantine
    combination = {name: one.version for name, one in held.combination.items()}
    assert combination == {"ocr": "2.0", "language-id": "1.0", "translation": "1.0", "sentiment": "1.0"}
    assert desk.read(MANIFEST) == before
    assert desk.status(RELEASE).stale == ()

    desk.try_out("smooth-again", ocr="2.0")
    await desk.run_for(60, every=60)
    assert desk.condition(RELEASE) == "Quarantined"
    desk.write(MANIFEST, before)

    desk.try_out("letters", sentiment="2.0")
    decision = await desk.decided()
    assert (decision["action"], decision["reason"], decision["candidate"]) == (
        "PROMOTE",
        "EvidenceSufficient",
        "letters",
    )
    assert decision["message"].startswith("correct ")
    assert 'stable: {ocr: "1.0", language-id: "1.0", translation: "1.0", sentiment: "2.0"}' in desk.read(MANIFEST)
    assert desk.status(RELEASE).stale == (MEASURED,)

    desk.try_out("smooth", ocr="2.0")
    decision = await desk.decided()
    assert (decision["action"], decision["reason"], decision["candidate"]) == (
        "PROMOTE",
        "EvidenceSufficient",
        "smooth",
    )
    assert 'stable: {ocr: "2.0", language-id: "1.0", translation: "1.0", sentiment: "2.0"}' in desk.read(MANIFEST)
    assert "candidates" not in desk.read(MANIFEST)
    desk.check()


async def test_nothing_is_decided_before_readers_have_answered(desk: DeskWorld) -> None:
    desk.try_out("smooth", ocr="2.0")
    # Labels count ten minutes after the scan, whoever answered sooner; until then there is nothing to judge by.
    await desk.run_for(9 * 60, every=60)
    assert desk.reasons(RELEASE)[-1] == "ADVANCE CandidateStarted"
    assert desk.condition(RELEASE) == "CollectingSamples"
