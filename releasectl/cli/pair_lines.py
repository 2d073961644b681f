"""What compared pairs and people's labels say, as lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_UNITS = {"value": "", "latency": " ms"}
MOST_FLIPS = 10
MOST_SHOWN = 5


def pair_lines(report: Mapping[str, Any]) -> list[str]:
    """What was compared of one candidate, see ``evaluate.pair_report``."""
    if not report["pairs"]:
        return [f"{report['candidate']}: no answers have been compared yet"]
    lines = [f"{report['candidate']}: {_rate(report['agreement'])} answers agree with stable's"]
    for segment, found in report.get("segments", {}).items():
        lines.append(f"  {segment or 'no segment'}: {_rate(found)}")
    lines += [f"  {count} x {kind}" for kind, count in list(report["flips"].items())[:MOST_FLIPS]]
    for measure, unit in _UNITS.items():
        if found := report.get(measure):
            between = "" if found["lower"] is None else f" (interval {found['lower']:.3g} to {found['upper']:.3g})"
            lines.append(
                f"  {measure}: {found['mean']:+.3g}{unit} on average{between}, {found['meanSize']:.3g} in size, "
                f"at most {found['largest']:.3g}"
            )
    if found := report.get("errors"):
        lines.append(
            f"  failed: {found['onlyCandidateFailed']} times where stable answered, "
            f"{found['onlyStableFailed']} times the other way round"
        )
    return lines


def disagreement_lines(found: Mapping[str, Any]) -> list[str]:
    """A few pairs whose answers differ, stable's first."""
    lines = []
    for one in found["disagreements"][:MOST_SHOWN]:
        asked = "" if one["request"] is None else f" to {printable(one['request'])}"
        answers = f"{printable(one['stable'])} | {one['candidate']}: {printable(one['tried'])}"
        lines.append(f"{one['requestId']}{asked}: {answers}")
    return lines


def printable(value: Any) -> str:
    """On one line, and nothing in it that a terminal obeys: answers are whatever a model made of a user's words."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else " " for one in text)


def _rate(found: Mapping[str, Any]) -> str:
    percent = (100 * found[name] for name in ("rate", "lower", "upper"))
    return "{:.4g} % (interval {:.4g} to {:.4g} %) of {}".format(*percent, found["pairs"])


def judged_lines(summary: Mapping[str, Any]) -> list[str]:
    """What people have said of a trial, see ``ReviewDesk.summary``."""
    lines = []
    for one in summary["candidates"]:
        lines.append(f"{one['candidate']}: {one['labelled']} pairs judged, {one['random']} of them drawn at random")
        if one["random"]:
            stable, tried = 100 * one["stableRight"], 100 * one["candidateRight"]
            lines.append(f"  of those stable is right in {stable:.3g} %, {one['candidate']} in {tried:.3g} %")
        if one["difference"] is not None:
            found, lower, upper = (100 * one[name] for name in ("difference", "lower", "upper"))
            shown = f"{found:+.3g} points (95 %: {lower:+.3g} to {upper:+.3g})"
            lines.append(f"  over all requests it is right more often than stable by {shown}")
        if one["unjudged"]:
            lines.append(f"  {100 * one['unjudged']:.2g} % of all pairs disagree in ways that nobody has judged")
    for pair in summary["agreement"]:
        names = " and ".join(pair["reviewers"])
        if pair["kappa"] is None:
            lines.append(f"{names}: {pair['items']} pairs in common, too alike or too few for a kappa")
        else:
            kappa, lower, upper = pair["kappa"], pair["lower"], pair["upper"]
            lines.append(f"{names}: kappa {kappa:.2f} (95 %: {lower:.2f} to {upper:.2f}) on {pair['items']} pairs")
    return lines or ["nobody has judged a pair yet"]
