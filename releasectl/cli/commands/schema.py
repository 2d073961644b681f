"""``releasectl schema``: the JSON Schemas that editors and other tools check manifests with."""

from __future__ import annotations

from pathlib import Path

import click

from releasectl.errors import UsageError

EXAMPLES = """
\b
Examples:
  releasectl schema Release                print one
  releasectl schema --write schemas        write a file for each kind

\b
Then let an editor check as you type, by a first line in the manifest:
  # yaml-language-server: $schema=../schemas/release.v1alpha1.json
"""


@click.command(epilog=EXAMPLES)
@click.argument("kind", required=False)
@click.option("--write", metavar="DIR", help="Write <kind>.v1alpha1.json files into this folder instead of printing.")
def schema(kind: str | None, write: str | None) -> int:
    """Print or write the JSON Schema (2020-12) of a KIND, or of all kinds."""
    from releasectl.manifests.kinds import KINDS
    from releasectl.manifests.nearest import suggestion
    from releasectl.manifests.schema import file_name, render

    by_lower = {name.lower(): name for name in KINDS}
    if kind and kind.lower() not in by_lower:
        raise UsageError(f"unknown kind {kind!r}", hint=suggestion(kind, KINDS, known="kinds"))
    kinds = [by_lower[kind.lower()]] if kind else list(KINDS)
    if write is None:
        texts = [render(name).rstrip() for name in kinds]
        click.echo(texts[0] if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]")
        return 0
    folder = Path(write)
    folder.mkdir(parents=True, exist_ok=True)
    for name in kinds:
        (folder / file_name(name)).write_text(render(name), encoding="utf-8")
        click.echo(f"wrote {folder / file_name(name)}", err=True)
    return 0
