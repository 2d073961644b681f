"""People judge answers of a shadow, blind, over the controller's API; their labels become outcomes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.adapters.metrics.pair_samples import PairSamples
from releasectl.api.app import create_app
from releasectl.api.server import ApiServer
from releasectl.cli.commands.review import review
from releasectl.cli.location import Location
from releasectl.cli.main import main
from releasectl.cli.pair_lines import disagreement_lines
from releasectl.cli.reviewdesk import ReviewDesk
from releasectl.domain.metric import LogQuery, Metric, PairedQuery, Queries
from releasectl.domain.release import STABLE
from releasectl.ports import Prediction
from tests.builders import a_state

AT = datetime(2026, 1, 1, tzinfo=UTC)
AGREEMENT = Metric(name="agreement", direction="higher", query=Queries(paired=PairedQuery(component="app")))


class Office:
    """A controller's log and API without the controller, and people who use the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = EventLog(folder / "events.sqlite", keep_features=True)
        self.state = a_state()
        self.at = AT
        self.desk = ReviewDesk(self.log, {"shop": self.state}.get, lambda: self.at)
        self.samples = PairSamples(self.log)
        self.samples.update([AGREEMENT])
        begun = asyncio.run(LogSource(self.log).read(METRICS, {}, AT))
        self.cursors = {name: reading.cursor for name, reading in begun.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        app = create_app(
            events=self.log,
            releases=dict,
            not_ready=list,
            registry=CollectorRegistry(),
            desk=self.desk,
        )
        self._server = ApiServer(app)
        port = asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        self.location = Location("repo", "main", "ledger", folder)
        self.location.controller_file.write_text(json.dumps({"pid": os.getpid(), "url": f"http://127.0.0.1:{port}"}))
        self.origin = folder / "repo.git"
        subprocess.run(["git", "init", "--quiet", "--bare", str(self.origin)], check=True)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.log.close()

    def answered(self, count: int, *, disagreeing: int) -> None:
        """So many requests; in the first ones the candidate says ``no`` where stable says ``yes``."""
        tag = self.state.variants["next"].tag
        epoch = self.state.progress.first_epoch if self.state.progress else 0
        rows = []
        for number in range(count):
            fields: dict[str, Any] = {
                "component": "app",
                "allocation_id": epoch,
                "features": {"text": f"line {number}"},
            }
            request, tried = str(number), "no" if number < disagreeing else "yes"
            rows.append(Prediction(request, "shop", STABLE, AT, output="yes", **fields))
            rows.append(Prediction(request, "shop", "next", AT, output=tried, mirrored=True, tag=tag, **fields))
        self.log.append(rows, [])
        self.samples.update([AGREEMENT])

    def review(self, *arguments: str, keys: str = "") -> Result:
        where = ["-R", str(self.origin), "--state", str(self.folder)]
        return CliRunner().invoke(
            review, ["shop", *where, *arguments], input=keys, standalone_mode=False, catch_exceptions=False
        )

    def exported(self, reviewer: str, *arguments: str) -> list[dict[str, Any]]:
        path = self.folder / f"{reviewer}.jsonl"
        assert self.review("--reviewer", reviewer, "--export", str(path), *arguments).return_value == 0
        return [json.loads(line) for line in path.read_text().splitlines()]

    def imported(self, reviewer: str, questions: list[dict[str, Any]]) -> Result:
        path = self.folder / f"{reviewer}.jsonl"
        path.write_text("".join(json.dumps(question) + "\n" for question in questions))
        return self.review("--reviewer", reviewer, "--import", str(path))

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.review("--report", "-o", "json").stdout)["review"]
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def judge(question: dict[str, Any]) -> dict[str, Any]:
    """Somebody who finds ``no`` right wherever it is said, and ``yes`` where it is not."""
    answers = question["answers"]
    right = "both" if answers["A"] == answers["B"] else "A" if answers["A"] == "no" else "B"
    return {**question, "right": right}


NAMES = ("reviewed-correct", "reviewed-correct-targeted")
METRICS = [Metric(name=name, direction="higher", query=Queries(log=LogQuery(outcome=name))) for name in NAMES]


def outcomes(office: Office, metric: str) -> dict[str, tuple[int, int]]:
    """Trials and events by variant since the beginning, as an objective on this outcome would count them."""
    reading = asyncio.run(LogSource(office.log).read(METRICS, office.cursors, AT))[metric]
    return {one.variant: (one.counts.trials, one.counts.events) for one in reading.increments}


def test_nothing_that_is_handed_out_tells_whose_an_answer_is(office: Office) -> None:
    office.answered(60, disagreeing=30)
    questions = office.exported("ana", "--items", "40")
    assert len(questions) == 40
    for question in questions:
        assert question.keys() == {"id", "request", "segment", "answers", "right"}
        assert "next" not in json.dumps(question)
        assert "stable" not in json.dumps(question)
    disagreeing = [question["answers"]["A"] for question in questions if len(set(question["answers"].values())) == 2]
    assert 0.2 < disagreeing.count("yes") / len(disagreeing) < 0.8


def test_labels_of_random_pairs_are_outcomes_and_those_of_picked_ones_have_a_name_of_their_own(office: Office) -> None:
    office.answered(80, disagreeing=20)
    told = office.imported("ana", [judge(question) for question in office.exported("ana", "--items", "60")])
    assert told.return_value == 0
    random, picked = outcomes(office, "reviewed-correct"), outcomes(office, "reviewed-correct-targeted")
    trials, right = random["next"]
    assert (random["stable"][0], right) == (trials, trials)
    assert random["stable"][1] < trials
    assert picked["stable"] == (picked["next"][0], 0)
    (found,) = office.report()["candidates"]
    # A quarter of the pairs disagree, and the candidate is right in each of them.
    assert found["difference"] == pytest.approx(0.25)
    assert found["labelled"] == trials + picked["next"][0]


def test_the_same_file_again_changes_nothing_and_a_changed_mind_counts_once(office: Office) -> None:
    office.answered(10, disagreeing=10)
    questions = [judge(question) for question in office.exported("ana")]
    office.imported("ana", questions)
    before = outcomes(office, "reviewed-correct")
    office.imported("ana", questions)
    assert outcomes(office, "reviewed-correct") == before
    office.at += timedelta(minutes=1)
    office.imported("ana", [{**question, "right": "neither"} for question in questions])
    after = outcomes(office, "reviewed-correct")
    assert after == {variant: (trials, 0) for variant, (trials, _) in before.items()}


def test_a_person_goes_on_where_they_left_off(office: Office) -> None:
    office.answered(20, disagreeing=20)
    first = office.review("--reviewer", "ana", "--items", "5", keys="a\ns\nq\n")
    assert first.return_value == 0
    assert "1 of 5" in first.stdout
    again = office.exported("ana", "--items", "5")
    assert len(again) == 5
    assert office.report()["candidates"][0]["labelled"] == 1


def test_two_people_share_the_overlap_and_are_never_shown_each_others_labels(office: Office) -> None:
    office.answered(60, disagreeing=60)
    anas = [judge(question) for question in office.exported("ana", "--items", "500", "--overlap", "50")]
    office.imported("ana", anas)
    bens = office.exported("ben", "--items", "500", "--overlap", "50")
    assert {question["id"] for question in bens} < {question["id"] for question in anas}
    assert {question["right"] for question in bens} == {None}
    said = [judge(question) for question in bens]
    office.imported("ben", [*({**question, "right": "neither"} for question in said[:2]), *said[2:]])
    (pair,) = office.report()["agreement"]
    assert (pair["reviewers"], pair["items"]) == (["ana", "ben"], len(bens))
    assert pair["observed"] == pytest.approx(1 - 2 / len(bens))


def test_a_question_that_waits_too_long_goes_to_somebody_else(office: Office) -> None:
    office.answered(6, disagreeing=6)
    assert len(office.exported("ana", "--items", "500", "--overlap", "0")) == 6
    assert office.exported("ben", "--items", "500", "--overlap", "0") == []
    office.at += timedelta(hours=2)
    assert len(office.exported("ben", "--items", "500", "--overlap", "0")) == 6


def test_labels_of_questions_that_were_not_asked_of_a_person_are_left_out_and_named(office: Office) -> None:
    office.answered(6, disagreeing=6)
    questions = [judge(question) for question in office.exported("ana", "--overlap", "0")]
    told = office.imported("eve", questions)
    assert told.return_value == 1
    assert "were not asked of you" in told.stderr
    assert outcomes(office, "reviewed-correct") == {}


def test_a_file_with_mistakes_is_refused_whole_with_their_places(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    path = office.folder / "wrong.jsonl"
    path.write_text('{"id": "0123456789abcdef", "right": "left"}\nnonsense\n')
    where = ["-R", str(office.origin), "--state", str(office.folder)]
    assert main(["review", "shop", *where, "--reviewer", "ana", "--import", str(path)]) == 64
    said = capsys.readouterr().err
    assert "wrong.jsonl:1" in said
    assert "wrong.jsonl:2" in said


def test_without_a_controller_or_anything_to_judge_it_says_what_is_missing(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-R", str(office.origin), "--reviewer", "ana"]
    assert main(["review", "shop", *where, "--state", str(office.folder)]) == 5
    assert "no answers of a candidate" in capsys.readouterr().err
    assert main(["review", "shop", *where, "--state", str(office.folder / "elsewhere")]) == 6
    assert "no controller" in capsys.readouterr().err


def test_what_was_compared_is_told_with_a_few_disagreements(office: Office) -> None:
    office.answered(40, disagreeing=10)
    found = office.desk.pairs("shop")
    assert found is not None
    (candidate,) = found["candidates"]
    assert candidate["flips"] == {"yes -> no": 10}
    assert candidate["agreement"]["rate"] == 0.75
    assert len(found["disagreements"]) == 3
    assert found["disagreements"][0]["request"]["text"].startswith("line ")
    told = office.review("--report").stdout
    assert "10 x yes -> no" in told
    assert "nobody has judged" in told


def test_questions_and_labels_go_with_the_events_they_are_about(office: Office) -> None:
    office.answered(6, disagreeing=6)
    office.imported("ana", [judge(question) for question in office.exported("ana")])
    office.log.prune(datetime.now(UTC) + timedelta(days=1))
    with office.log.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM review_question").fetchone() == (0,)


def test_disagreements_are_shown_on_one_line_whatever_a_model_said(office: Office) -> None:
    office.answered(3, disagreeing=3)
    found = office.desk.pairs("shop")
    assert found is not None
    found["disagreements"][0]["tried"] = "no\x1b[2J\n"
    lines = disagreement_lines(found)
    assert len(lines) == 3
    assert "next: no [2J" in lines[0]
