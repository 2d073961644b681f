"""One comment of ours that is kept up to date, on whichever forge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from releasectl.adapters.forge.wording import with_marker
from releasectl.ports import Remark


class Comments(Protocol):
    """What a forge can do with comments."""

    async def whoami(self) -> str: ...
    async def remarks(self, number: int) -> Sequence[Remark]: ...
    async def reply(self, number: int, body: str) -> None: ...
    async def rewrite(self, number: int, remark: int, body: str) -> None: ...


async def keep_marked(forge: Comments, number: int, *, marker: str, body: str) -> None:
    """Create or update the comment that carries ``marker``; equal text writes nothing.

    Only a comment of our own account counts: anybody can copy a marker.
    """
    text = with_marker(body, marker)
    me = await forge.whoami()
    ours = [one for one in await forge.remarks(number) if one.author == me and marker in one.body]
    if not ours:
        await forge.reply(number, text)
    elif _plain(ours[0].body) != _plain(text):
        await forge.rewrite(number, ours[0].id, text)


def _plain(text: str) -> str:
    """Hosts trim bodies and may change line endings."""
    return text.replace("\r\n", "\n").strip()
