"""``releasectl plan``: what merging a change would do, before it is merged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from releasectl.cli.location import Location
from releasectl.cli.options import output, repository
from releasectl.errors import Conflict, Unavailable, UsageError

if TYPE_CHECKING:
    from releasectl.adapters.git.clone import Clone
    from releasectl.adapters.git.repo import GitRepo
    from releasectl.ports import Heads
    from releasectl.preview.document import Plan
    from releasectl.preview.selection import Files

EXAMPLES = """
\b
Examples:
  releasectl plan                              this folder against the branch's tip on the server
  releasectl plan press-sentiment --rate 20    one release, at 20 requests a second
  releasectl plan --against HEAD~1             this folder against an older commit
  releasectl plan --against main..feature      two commits; the same pair gives the same bytes
  releasectl plan --against main...feature     what the branch itself changed since it left main
  releasectl plan --exit-code -o json | jq '.releases[] | {release, effect}'

\b
What it prints:
  press-sentiment (releases/press-sentiment.yaml): the trial of tiny-bert starts
    + candidate tiny-bert (sentiment 2.0)
  ...
  Plan: 1 to start.
"""


@click.command(epilog=EXAMPLES)
@click.argument("release", required=False)
@repository
@click.option(
    "--against",
    metavar="REV",
    help="Compare with this commit instead of the branch's tip; A..B or A...B compares two commits.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.001),
    metavar="N",
    help="Requests a second; by default as last observed in the ledger, or 100.",
)
@output("table", "json", "markdown")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything differs.")
def plan(
    *, release: str | None, location: Location, against: str | None, rate: float | None, output: str, exit_code: bool
) -> int:
    """Tell what merging a change would do.

    Compares the manifests in this folder with those of the branch, as a person in a clone before pushing, and tells
    for each release that is made of something different: what changes, what the controller would decide about it,
    the ramp as a timeline, how long it takes at the present traffic and who is exposed meanwhile, and what can hold
    or stop it. Decisions are asked of the controller's own rules, with the state that the ledger holds; times come
    from simulation and carry their standard error. With RELEASE, that release is told even if nothing of it changes.

    Exits 0, 1 if a manifest that the change concerns is invalid, and with --exit-code 1 if anything differs.
    """
    from releasectl.preview.printable import printable
    from releasectl.preview.text import as_text

    with _opened(location, against) as sides:
        found = _plan(sides, release, rate)
    for problem in sides.faults:
        click.echo(f"warning: {printable(problem)}", err=True)
    if output == "json":
        click.echo(json_text(found))
    elif output == "markdown":
        from releasectl.preview.markdown import as_markdown

        click.echo(as_markdown(found))
    else:
        click.echo(as_text(found))
    return 1 if not found.is_valid or (exit_code and not found.is_empty) else 0


def json_text(found: Plan) -> str:
    """The published shape, every field of it, in one spelling."""
    import json

    from releasectl.preview.printable import printable_json

    return printable_json(json.dumps(found.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False))


@dataclass(frozen=True)
class _Sides:
    before: Files
    after: Files
    base: str
    head: str
    at: datetime
    repo: GitRepo
    heads: Heads | None
    faults: tuple[str, ...]


def _plan(sides: _Sides, release: str | None, rate: float | None) -> Plan:
    from releasectl.controller.fleet import Fleet, read_fleet
    from releasectl.preview.compose import Asked, plan, wants_fleet
    from releasectl.preview.selection import compare

    compared = compare(sides.before, sides.after, only=release)
    if release and release not in {*compared.before.releases, *compared.after.releases}:
        raise UsageError(f"no release {release!r} on either side", hint="names stand in `metadata.name`")
    ledger, fleet = sides.heads.ledger if sides.heads else None, Fleet()
    if compared.releases:
        fleet = read_fleet(sides.repo, ledger, compared.releases, everybody=wants_fleet(compared))
    return plan(compared, fleet, Asked(sides.base, sides.head, ledger, sides.at, rate, release))


@contextmanager
def _opened(location: Location, against: str | None) -> Iterator[_Sides]:
    from releasectl.adapters.git.clone import Clone

    typed = str(click.get_current_context().params["repo"])
    with ExitStack() as stack:
        repo = stack.enter_context(location.open_repo(mirror="mirror-read"))
        clone = Clone(Path(typed).expanduser()) if _is_local(typed) else None
        if clone is not None:
            stack.callback(clone.close)
        heads, faults = _heads(repo)
        yield _sides(repo, heads, faults, clone, against)


def _sides(
    repo: GitRepo, heads: Heads | None, faults: tuple[str, ...], clone: Clone | None, against: str | None
) -> _Sides:
    from releasectl.cli.folder import files_of
    from releasectl.preview.reading import by_oid, by_own_oid, files_at

    if clone is None:
        raise UsageError("a plan compares what is on this machine", hint="run it in a clone, or give the clone with -R")
    left, dots, right = _range(against)
    if dots:
        base, head = clone.resolve(left or "HEAD"), clone.resolve(right or "HEAD")
        base = clone.merge_base(base, head) if dots == "..." else base
        before = files_at(clone, base)
        after = files_at(clone, head, known=by_oid(before, clone.tree(base)))
        return _Sides(before, after, base, head, clone.committed_at(head), repo, heads, faults)
    top = clone.work_tree
    if top is None:
        raise UsageError("a bare repository has no files to plan", hint="compare two commits: --against A..B")
    here = files_of(top)
    if against:
        base = clone.resolve(against)
        before = files_at(clone, base, known=by_own_oid(here))
    elif heads is None:
        raise Unavailable(faults[0], hint="name a commit of this clone with --against")
    else:
        base = heads.manifests
        before = files_at(repo, base, known=by_own_oid(here))
    return _Sides(before, here, base, "", datetime.now(UTC), repo, heads, faults)


def _heads(repo: GitRepo) -> tuple[Heads | None, tuple[str, ...]]:
    """The branches now, or as last known; with why they could not be fetched."""
    try:
        return repo.fetch(), ()
    except Unavailable as error:
        known = repo.known()
        since = "decisions are those last fetched" if known else "no decisions are known"
        return known, (f"{error.message}; {since}",)
    except Conflict as error:
        # A person who amends a commit before pushing it rewrites what this mirror has seen. Nothing is written by a
        # plan, and the controller has a mirror of its own, which goes on refusing.
        return repo.acknowledge_rewrite(), (f"{error.message}; planned on what is there now",)


def _range(against: str | None) -> tuple[str, str, str]:
    text = against or ""
    dots = "..." if "..." in text else ".." if ".." in text else ""
    left, _, right = text.partition(dots) if dots else (text, "", "")
    return left, dots, right


def _is_local(typed: str) -> bool:
    return "://" not in typed and Path(typed).expanduser().exists()
