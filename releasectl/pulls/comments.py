"""What we write under a pull request, and how our own comments are found again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from releasectl.ports import Remark
from releasectl.preview.document import Plan, Preview
from releasectl.preview.markdown import release_markdown
from releasectl.preview.wording import headline

CONTEXT = "releasectl"
"""Name of our commit status."""
LONGEST_DESCRIPTION = 140
"""Forges cut or refuse longer ones."""
_MARKED = re.compile(r"<!-- releasectl:plan:([a-z0-9-]{1,63}) -->")


def plan_marker(release: str) -> str:
    """Marks the one comment about a release."""
    return f"<!-- releasectl:plan:{release} -->"


def answer_marker(remark: int) -> str:
    """Marks the answer to a comment: a comment that has one was heard."""
    return f"<!-- releasectl:answer:{remark} -->"


def refusal_marker(login: str) -> str:
    """Marks the one refusal that somebody gets under a pull request."""
    return f"<!-- releasectl:refused:{re.sub(r'[^a-z0-9_.-]', '', login.casefold())} -->"


def plan_body(preview: Preview, base: str, head: str) -> str:
    """The comment about one release."""
    marker = plan_marker(preview.release)
    return f"{marker}\n{release_markdown(preview)}\n\n<sub>{head[:12]} merged into {base[:12]}</sub>\n"


def left_body(release: str, head: str) -> str:
    """What the comment says when the pull request no longer concerns the release."""
    return f"{plan_marker(release)}\n### {release}: this pull request no longer changes it\n\n<sub>{head[:12]}</sub>\n"


def quoted(text: str) -> str:
    """A text of somebody's as code, where it can neither mention people, nor end the code, nor mark a comment."""
    return "`" + " ".join(text.replace("`", "'").replace("<!--", "<! --").split())[:300] + "`"


def description(plan: Plan) -> str:
    """The status in a line."""
    errors = sum(len(one.problems) for one in plan.releases)
    errors += sum(problem.severity == "error" for problem in plan.problems)
    text = headline(plan)
    if errors:
        text = f"{errors} {'mistake' if errors == 1 else 'mistakes'} in manifests. {text}"
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 3] + "..."


def planned_before(remarks: Iterable[Remark], own: str) -> tuple[str, ...]:
    """Releases that have a comment of ours already."""
    return tuple(
        dict.fromkeys(found for remark in remarks if remark.author == own for found in _MARKED.findall(remark.body))
    )


def is_answered(remarks: Iterable[Remark], own: str, marker: str) -> bool:
    """Whether a comment of ours carries this marker."""
    return any(remark.author == own and marker in remark.body for remark in remarks)
