"""``releasectl schema``: the JSON Schemas that editors and other tools check manifests with."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from releasectl.errors import UsageError

PRINTED = {"Plan": "releasectl.preview.document:Plan"}
"""Documents that commands print as JSON, for those who read them by program."""

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
    """Print or write the JSON Schema (2020-12) of a KIND, or of all kinds; Plan is what `plan -o json` prints."""
    from releasectl.manifests.kinds import KINDS
    from releasectl.manifests.nearest import suggestion
    from releasectl.manifests.schema import file_name, render

    known = (*KINDS, *PRINTED)
    by_lower = {name.lower(): name for name in known}
    if kind and kind.lower() not in by_lower:
        raise UsageError(f"unknown kind {kind!r}", hint=suggestion(kind, known, known="kinds"))
    kinds = [by_lower[kind.lower()]] if kind else list(known)
    texts = {name: render(published(name)) for name in kinds}
    if write is None:
        shown = [text.rstrip() for text in texts.values()]
        click.echo(shown[0] if len(shown) == 1 else "[\n" + ",\n".join(shown) + "\n]")
        return 0
    folder = Path(write)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / file_name(name)).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / file_name(name)}", err=True)
    return 0


def published(kind: str) -> dict[str, Any]:
    """The schema of a kind of manifest, or of a document that a command prints."""
    from releasectl.manifests.schema import schema_of, schema_of_output

    if kind not in PRINTED:
        return schema_of(kind)
    module, _, name = PRINTED[kind].partition(":")
    return schema_of_output(getattr(import_module(module), name), kind)
