"""``releasectl explain``: why a decision was taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import Conflict, Unavailable, UsageError

if TYPE_CHECKING:
    from releasectl.adapters.git.repo import GitRepo
    from releasectl.cli.decisions import Recorded
    from releasectl.cli.outlook import Told

EXAMPLES = """
\b
Examples:
  releasectl explain press-sentiment         the last decision of a release
  releasectl explain 7f3a2c9e                a decision by its identity, or by its commit
  releasectl explain press-sentiment -o json the whole record, as it is in the ledger
  releasectl explain press-sentiment -o json | jq .outlook   what would settle each metric
  releasectl explain press-desk --matrix     which versions were measured together, and what is stale
"""


@click.command(epilog=EXAMPLES)
@click.argument("what", metavar="RELEASE|DECISION|COMMIT")
@click.option("--matrix", is_flag=True, help="Of a release: which versions of the graph were measured together.")
@repository
@output("table", "json")
def explain(*, what: str, matrix: bool, location: Location, output: str) -> int:
    """Tell why a decision was taken, with its numbers.

    Reads the record in the ledger: what git asked for, what was measured in which window, what follows. For
    each metric that is not settled it tells how much more data would settle it at the present rates, and which
    rate would turn it: expected counts, folded on through the same rules. Of a release that is in a shadow here, a few
    answers that differ are shown as well: users' data, which the controller's event log holds and git does not.
    """
    if matrix:
        return _matrix(what, location, output)
    from releasectl.cli.decisions import record_of
    from releasectl.cli.outlook import outlooks
    from releasectl.controller.ledger import pretty

    repo = location.open_repo(mirror="mirror-read")
    try:
        recorded = _find(repo, what, location)
        record = record_of(repo, recorded)
        ahead = outlooks(pretty(record), repo) if record else []
    finally:
        repo.close()
    if record is None:
        raise UsageError(f"the record {recorded.path} is not in commit {recorded.commit[:9]}")
    if output == "json":
        click.echo(json.dumps(record | {"outlook": [one.to_data() for one in ahead]}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([*_lines(recorded, record, ahead), *_compared(what, location)]))
    return 0


def _compared(release: str, location: Location) -> list[str]:
    """What the running controller has compared of a shadow under way; nothing where there is none of either."""
    from releasectl.cli.controller_api import ControllerApi
    from releasectl.cli.pair_lines import disagreement_lines, pair_lines

    try:
        found = ControllerApi(location).ask(release, "pairs")
    except (Conflict, Unavailable, UsageError):
        return []
    told = [line for one in found["candidates"] for line in pair_lines(one)]
    return ["", "  compared in the trial under way", *(f"    {line}" for line in [*told, *disagreement_lines(found)])]


def _matrix(release: str, location: Location, output: str) -> int:
    from releasectl.cli.decisions import records_of
    from releasectl.cli.matrix import lines, matrix_of
    from releasectl.controller.desired import DesiredReader
    from releasectl.controller.gitread import heads_of

    repo = location.open_repo(mirror="mirror-read")
    try:
        heads = heads_of(repo)
        asked = DesiredReader(repo).read(heads.manifests).desired.get(release)
        components = asked.release.spec.components if asked else ()
        declared = {one.name: [version.name for version in one.versions] for one in components}
        found = matrix_of(records_of(repo, heads.ledger, release), declared)
    finally:
        repo.close()
    if found is None:
        raise UsageError(
            f"no release {release!r} in the ledger of {location.shown_url}",
            hint="releasectl history lists the decisions; --matrix wants the name of a release",
        )
    click.echo(
        json.dumps(found.to_data(), indent=2, ensure_ascii=False) if output == "json" else "\n".join(lines(found))
    )
    return 0


def _find(repo: GitRepo, what: str, location: Location) -> Recorded:
    from releasectl.cli.decisions import matching
    from releasectl.controller.gitread import heads_of

    rows = matching(repo, heads_of(repo).ledger, what, 1)
    if not rows:
        raise UsageError(
            f"no release, decision or commit {what!r} in the ledger of {location.shown_url}",
            hint="releasectl history lists the decisions",
        )
    return rows[0]


def _lines(recorded: Recorded, record: dict[str, Any], ahead: Sequence[Told]) -> list[str]:
    decision, given = record["decision"], record["given"]
    state = decision.get("state") or {}
    shares = _shares(state)
    lines = [
        f"{decision['action']} {decision['reason']}  {recorded.release}  #{state.get('seq')}  {decision['at']}",
        "",
        f"  {decision['message']}",
        "",
        f"  decision   {decision['id']} in commit {recorded.commit[:9]}",
        f"  manifest   {given['path']} at {given['revision'][:9]}",
        f"  policy     {given['policy']['metadata']['name'] if given.get('policy') else '-'}",
        f"  shares now {shares}",
    ]
    before = given.get("state")
    if before:
        lines.append(f"  before     {_shares(before)} (#{before['seq']})")
    for row in decision.get("evidence", []):
        lines += ["", *_evidence(row)]
        told = [one for one in ahead if _is_about(one, row)]
        lines += [f"    {sentence}" for one in told for sentence in one.sentences()]
    if decision.get("rewards"):
        lines += ["", *_rewards(decision["rewards"])]
    if counted := _counted(given["observed"].get("readings", {})):
        lines += ["", f"  blocks     {counted} since the decision before, all in the record"]
    versions = ", ".join(f"{name} {version}" for name, version in record.get("made_by", {}).items())
    return [*lines, f"  made by    {versions}"]


def _counted(readings: dict[str, Any]) -> str:
    """How many blocks of what; the parts of a metric, of which there may be many, in one number."""
    parts: dict[str, int] = {}
    for name in readings:
        metric, brace, _ = name.partition("{")
        parts[metric] = parts.get(metric, 0) + bool(brace)
    told = [
        f"{len(reading.get('blocks', []))} of {name}" + (f" and its {parts[name]} parts" if parts[name] else "")
        for name, reading in readings.items()
        if "{" not in name
    ]
    return ", ".join(told)


def _shares(state: dict[str, Any]) -> str:
    shares = (state.get("allocation") or {}).get("shares", {})
    return ", ".join(f"{name} {bp / 100:g} %" for name, bp in shares.items()) or "-"


def _rewards(rows: list[dict[str, Any]]) -> list[str]:
    from releasectl.cli.words import reward_summary
    from releasectl.domain.reward import ArmReward

    arms = [ArmReward.model_validate(row) for row in rows]
    return ["  rewards", *(f"    {arm.variant:14} {reward_summary(arm)}" for arm in arms)]


def _is_about(one: Told, row: dict[str, Any]) -> bool:
    about = one.outlook.evidence
    return (about.metric, about.role, about.candidate) == (row["metric"], row["role"], row["candidate"])


def _evidence(row: dict[str, Any]) -> list[str]:
    lines = [f"  {row['role']} {row['metric']}: {row['state']}", f"    {row['summary']}"]
    if row.get("logE") is not None:
        what = "of harm beyond the margin" if row["role"] == "guardrail" else "of the claim"
        lines.append(f"    evidence {what}: ln E = {row['logE']:.3g}, proven at {row['threshold']:.3g}")
    if row.get("attribution"):
        lines += _by_component(row["attribution"])
    return lines


def _by_component(data: dict[str, Any]) -> list[str]:
    """What each component of the graph did by itself."""
    from releasectl.domain.attribution import Attribution

    lines = ["    by itself, without the failures that it passed on:"]
    for one in Attribution.model_validate_json(json.dumps(data)).movements:
        shown = f"{one.tried_bad} of {one.tried_trials} against {one.stable_bad} of {one.stable_trials}"
        if one.estimate is not None and one.lower is not None and one.upper is not None:
            shown += f", difference {100 * one.estimate:+.3g} points"
            shown += f" (interval {100 * one.lower:+.3g} to {100 * one.upper:+.3g})"
        version = f"{one.component} {one.version}" + ("" if one.changed else ", unchanged")
        lines.append(f"      {version}: {shown}")
    return lines
