"""``releasectl test``: policies as tested code."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasectl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from releasectl.cli.policytests import Tested

EXAMPLES = """
\b
Examples:
  releasectl test                          every test below this folder
  releasectl test tests/careful.yaml       one file
  releasectl test -o junit > report.xml    for a build server

\b
A test, tests/careful.yaml:
  apiVersion: releasectl.dev/v1alpha1
  kind: PolicyTest
  metadata: {name: careful}
  spec:
    policy: safe-default                   # or `release: press-sentiment`, with its strategy and its policy
    strategy: [{type: canary, steps: [10, 50], interval: 10m}]
    cases:
      - name: plain harm goes back within minutes
        given:
          - {for: 5m, requests: 50/s, stable: {error-rate: 1%}, candidate: {error-rate: 1%}}
          - {for: 10m, candidate: {error-rate: 8%}}
        expect:
          - {decision: ROLLBACK, reason: GuardrailBreached, within: 8m}
      - name: without metrics nothing moves, and then it goes back
        given:
          - {for: 15m, metrics: {error-rate: provider-error}}
        expect:
          - {decision: ROLLBACK, reason: OutageBudgetSpent, after: 10m}
"""


@click.command("test", epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("-R", "--repo", metavar="DIR", help="Root of the repository; this folder if left out.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "junit"]), default="table", show_default=True)
def test(*, paths: tuple[str, ...], repo: str | None, output: str) -> int:
    """Run policy tests: evidence over time, and the decisions that must follow.

    The same code decides as in a controller. Counts are the expected ones, so a test has no chance in it: it
    passes everywhere or nowhere. Releases, policies and metrics are looked up in the whole repository.

    Exits 0 if all cases pass, 1 if one does not or a file is invalid.
    """
    from releasectl.cli.policytests import run_tests

    root = _existing(repo or ".")
    tested = list(run_tests(root, [_existing(path) for path in paths] or [root]))
    bad = sum(not one.passed for one in tested)
    if output == "json":
        found = {"cases": [one.to_data() for one in tested], "passed": len(tested) - bad, "failed": bad}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif output == "junit":
        click.echo("\n".join(_junit(tested)))
    else:
        for one in tested:
            click.echo("\n".join(_lines(one)))
        click.echo(f"{len(tested)} case{'s' * (len(tested) != 1)}: {f'{bad} failed' if bad else 'all passed'}")
    return 1 if bad else 0


def _existing(name: str) -> Path:
    path = Path(os.path.abspath(name))  # noqa: PTH100 - links are told apart when files are read
    if not path.exists():
        raise UsageError(f"no such file or folder: {name}", hint="paths are relative to the current folder")
    return path


def _lines(one: Tested) -> list[str]:
    lines = [f"{'passed' if one.passed else 'FAILED'}  {one.test}: {one.case}"]
    if not one.passed:
        lines += [f"        {wrong}" for wrong in one.outcome.wrong]
        lines += [f"        happened: {happened}" for happened in one.outcome.happened]
    return lines


def _junit(tested: Sequence[Tested]) -> list[str]:
    bad = sum(not one.passed for one in tested)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuite name="releasectl" tests="{len(tested)}" failures="{bad}">')
    for one in tested:
        name = f'  <testcase classname="{escape(one.test)}" name="{escape(one.case)}" file="{escape(one.file)}"'
        if one.passed:
            lines.append(f"{name}/>")
            continue
        told = "\n".join([*one.outcome.wrong, *(f"happened: {happened}" for happened in one.outcome.happened)])
        lines += [f"{name}>", f'    <failure message="{escape(one.outcome.wrong[0])}">{escape(told)}</failure>']
        lines.append("  </testcase>")
    return [*lines, "</testsuite>"]
