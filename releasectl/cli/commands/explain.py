"""``releasectl explain``: why a decision was taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import UsageError

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
"""


@click.command(epilog=EXAMPLES)
@click.argument("what", metavar="RELEASE|DECISION|COMMIT")
@repository
@output("table", "json")
def explain(*, what: str, location: Location, output: str) -> int:
    """Tell why a decision was taken, with its numbers.

    Reads the record in the ledger: what git asked for, what was measured in which window, what follows. For
    each metric that is not settled it tells how much more data would settle it at the present rates, and which
    rate would turn it: expected counts, folded on through the same rules.
    """
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
        click.echo("\n".join(_lines(recorded, record, ahead)))
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
    blocks = {name: len(reading.get("blocks", [])) for name, reading in given["observed"].get("readings", {}).items()}
    if blocks:
        counted = ", ".join(f"{count} of {name}" for name, count in blocks.items())
        lines += ["", f"  blocks     {counted} since the decision before, all in the record"]
    versions = ", ".join(f"{name} {version}" for name, version in record.get("made_by", {}).items())
    return [*lines, f"  made by    {versions}"]


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
    return lines
