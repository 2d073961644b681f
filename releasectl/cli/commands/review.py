"""``releasectl review``: people judge answers without knowing whose they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import UsageError

if TYPE_CHECKING:
    from releasectl.cli.controller_api import ControllerApi

EXAMPLES = """
\b
Examples:
  releasectl review press-sentiment --reviewer ana                 answer questions here
  releasectl review press-sentiment --reviewer ana --uncertain score --items 50
  releasectl review press-sentiment --reviewer ben --export questions.jsonl
  releasectl review press-sentiment --reviewer ben --import questions.jsonl
  releasectl review press-sentiment --report                       what everybody has said together

\b
In an exported file set "right" to "A", "B", "both" or "neither"; lines left at null are passed over.
"""
SAID = ("A", "B", "both", "neither")
_KEYS = {"a": "A", "b": "B", "y": "both", "n": "neither"}


@click.command(epilog=EXAMPLES)
@click.argument("release")
@click.option("--reviewer", metavar="NAME", help="Who judges.")
@click.option("--items", type=click.IntRange(1, 500), default=20, show_default=True, help="Pairs at most.")
@click.option(
    "--overlap",
    type=click.FloatRange(0, 100),
    default=20.0,
    show_default=True,
    metavar="PERCENT",
    help="Share of pairs that two reviewers both get, to see how far they agree.",
)
@click.option("--uncertain", metavar="FIELD", help="Ask about answers whose field of this name is lowest as well.")
@click.option(
    "--metric", default="reviewed-correct", show_default=True, help="Outcome that labels of random pairs become."
)
@click.option("--export", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write questions to a file.")
@click.option(
    "--import", "into", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take labels from a file."
)
@click.option("--report", is_flag=True, help="Show what all labels say, and how far reviewers agree.")
@repository
@output("table", "json")
def review(
    *,
    release: str,
    reviewer: str | None,
    items: int,
    overlap: float,
    uncertain: str | None,
    metric: str,
    out: Path | None,
    into: Path | None,
    report: bool,
    location: Location,
    output: str,
) -> int:
    """Judge answers of stable and candidate to the same request, blind.

    While a shadow stage copies requests, a part of the answers is kept for people: some drawn at random, some because
    the two disagree, some because a model is unsure. You see two answers and say which are right; you learn neither
    which is the candidate's nor what others said. What you say at random pairs becomes an outcome of both
    variants (--metric, source "person"), which a policy may have an objective on; what you say of picked ones
    becomes one under that name with "-targeted" after it, because they stand for hard requests and not for all.

    Needs the running controller: it alone writes the event log. Whoever stops goes on where they left off.
    """
    from releasectl.cli.controller_api import ControllerApi

    if report:
        return _report(ControllerApi(location), release, output)
    if reviewer is None:
        raise UsageError("nobody is named", hint="say who judges with --reviewer NAME")
    if out and into:
        raise UsageError("--export and --import are two steps", hint="give one of them")
    desk = _Desk(ControllerApi(location), release, reviewer, metric)
    if into:
        return _take_in(desk, into)
    questions = desk.questions(items=items, overlap=overlap / 100, uncertain=uncertain)
    if out:
        out.write_text("".join(_line(question) for question in questions), encoding="utf-8")
        click.echo(f"{len(questions)} questions are in {out}", err=True)
        return 0
    return _interactive(desk, questions)


class _Desk:
    """The controller's desk, as one person uses it."""

    def __init__(self, api: ControllerApi, release: str, reviewer: str, metric: str) -> None:
        self._api, self._release, self._reviewer, self._metric = api, release, reviewer, metric

    def questions(self, *, items: int, overlap: float, uncertain: str | None) -> Sequence[Mapping[str, Any]]:
        body = {"reviewer": self._reviewer, "items": items, "overlap": overlap, "uncertain": uncertain}
        found: Sequence[Mapping[str, Any]] = self._api.ask(self._release, "review", body)["items"]
        return found

    def say(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        body = {"reviewer": self._reviewer, "metric": self._metric, "labels": labels}
        return self._api.ask(self._release, "labels", body)


def _interactive(desk: _Desk, questions: Sequence[Mapping[str, Any]]) -> int:
    if not questions:
        click.echo("there is nothing to judge at present", err=True)
        return 0
    if all(question["request"] is None for question in questions):
        click.echo("what requests were about is not kept here; releasectl run --keep-features keeps it", err=True)
    for number, question in enumerate(questions, start=1):
        click.echo(f"\n{number} of {len(questions)}\n" + "\n".join(_shown(question)))
        same = question["answers"]["A"] == question["answers"]["B"]
        keys = ("y", "n", "s", "q") if same else ("a", "b", "y", "n", "s", "q")
        told = "right? y(es) n(o)" if same else "which is right? a, b, y (both), n (neither)"
        key = click.prompt(f"{told}, s(kip), q(uit)", type=click.Choice(keys), show_choices=False)
        if key == "q":
            break
        if key != "s":
            # One at a time: whoever is interrupted has lost nothing.
            desk.say({question["id"]: _KEYS[key]})
    return 0


def _shown(question: Mapping[str, Any]) -> Iterator[str]:
    from releasectl.cli.pair_lines import printable

    if question["request"] is not None:
        yield f"  request  {printable(question['request'])}"
    if question["segment"]:
        yield f"  segment  {question['segment']}"
    one, other = question["answers"]["A"], question["answers"]["B"]
    if one == other:
        yield f"  both     {printable(one)}"
    else:
        yield f"  A        {printable(one)}"
        yield f"  B        {printable(other)}"


def _line(question: Mapping[str, Any]) -> str:
    return json.dumps({**question, "right": None}, ensure_ascii=False) + "\n"


def _take_in(desk: _Desk, path: Path) -> int:
    labels: dict[str, str] = {}
    wrong: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        problem = _read_label(line, labels)
        if problem:
            wrong.append(f"{path}:{number}: {problem}")
    if wrong:
        raise UsageError("; ".join(wrong[:10]), hint='"right" is "A", "B", "both", "neither" or null')
    if not labels:
        raise UsageError(f"no line of {path} has a label", hint='set "right" on some lines')
    taken = [desk.say(dict(part)) for part in _parts(list(labels.items()), 500)]
    unknown = [item for one in taken for item in one["unknown"]]
    kept, new = sum(one["kept"] for one in taken), sum(one["new"] for one in taken)
    click.echo(f"{kept} labels are kept, {new} of them are new", err=True)
    if unknown:
        click.echo(f"{len(unknown)} were not asked of you and are left out: {', '.join(unknown[:5])}", err=True)
    return 1 if unknown else 0


def _read_label(line: str, labels: dict[str, str]) -> str:
    """Add the label of a line; what is wrong with it, or nothing."""
    try:
        told = json.loads(line)
        item, right = told["id"], told.get("right")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is no question that was exported"
    if right is not None and right not in SAID:
        return f'"right" is {right!r}'
    if right is not None:
        labels[str(item)] = right
    return ""


def _parts(rows: Sequence[tuple[str, str]], size: int) -> Iterator[Sequence[tuple[str, str]]]:
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def _report(api: ControllerApi, release: str, output: str) -> int:
    from releasectl.cli.pair_lines import judged_lines, pair_lines

    summary, pairs = api.ask(release, "review"), api.ask(release, "pairs")
    if output == "json":
        click.echo(json.dumps({"review": summary, "pairs": pairs}, indent=2, ensure_ascii=False))
        return 0
    for candidate in pairs["candidates"]:
        click.echo("\n".join(pair_lines(candidate)))
    click.echo("\n" + "\n".join(judged_lines(summary)))
    return 0
