"""One look at git, for commands."""

from __future__ import annotations

from releasectl.controller.desired import DesiredReader
from releasectl.controller.gitseen import GitFault, GitView
from releasectl.controller.ledger import LedgerReader
from releasectl.domain.reasons import Reason
from releasectl.errors import Unavailable
from releasectl.ports import Heads, ReleaseRepo


def read_git(repo: ReleaseRepo) -> GitView:
    """Both branches now. If the repository does not answer, what the mirror knows, with the fault.

    Raises Unavailable when there is neither.
    """
    fault = None
    try:
        heads = repo.fetch()
    except Unavailable as error:
        fault = GitFault(Reason.GIT_UNAVAILABLE, error.message, error.hint)
        heads = heads_of(repo)
    return GitView(heads, DesiredReader(repo).read(heads.manifests), LedgerReader(repo).read(heads.ledger), fault)


def heads_of(repo: ReleaseRepo) -> Heads:
    """Heads now, or as the mirror last knew them; raises Unavailable when there is neither."""
    try:
        return repo.fetch()
    except Unavailable:
        known = repo.known()
        if known is None:
            raise
        return known
