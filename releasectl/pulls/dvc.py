"""``.dvc`` files: what data version control says of one artifact."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.domain.base import digest_of
from releasectl.manifests import yaml
from releasectl.manifests.nodes import to_data
from releasectl.ports import Offer

_HASHES = ("sha256", "md5", "etag", "checksum")


def offer_of(path: str, text: bytes) -> Offer | None:
    """The version that a ``.dvc`` file names by the hash of its output; None if it names none.

    DVC's hash is MD5 as a rule, which identifies content among friends and proves nothing against an attacker, so
    no digest is given: the version is told apart by path and hash together.
    """
    parsed = yaml.parse(path, text)
    if parsed.stopped or not parsed.documents:
        return None
    data = to_data(parsed.documents[0].root)
    outs = data.get("outs") if isinstance(data, Mapping) else None
    hashes = {}
    for out in outs if isinstance(outs, list) else ():
        if isinstance(out, Mapping) and isinstance(out.get("path"), str):
            kind = next((name for name in _HASHES if isinstance(out.get(name), str)), None)
            if kind is None:
                return None
            hashes[str(out["path"])] = f"{kind}:{out[kind]}"
    if not hashes:
        return None
    only = next(iter(hashes.values())) if len(hashes) == 1 else digest_of(hashes)
    return Offer(
        version=only.partition(":")[2][:12],
        artifact=f"dvc://{path.removesuffix('.dvc')}@{only}",
        facts=tuple((f"hash of {out}", value) for out, value in hashes.items()),
    )
