"""The desk: looks at open pull requests, checks what is new, hears commands, and keeps its comments up to date.

It runs beside the passes. Everything that it does may be done twice without harm, except a person's request, and of
that the ledger remembers that it was made; so a round that breaks off is made good by the next one. A forge or a
repository that does not answer costs a round, never traffic.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from releasectl.domain.release import STABLE
from releasectl.errors import Conflict, Denied, ReleasectlError, Unavailable
from releasectl.ports import CheckState, Clock, Forge, Heads, Pull, PullState, Remark
from releasectl.preview.document import Plan
from releasectl.pulls import comments
from releasectl.pulls.answers import Answer, Heard, Registrar
from releasectl.pulls.check import REFS, Merge, Planner, PullRepo, plan_of
from releasectl.pulls.commands import commands_in

log = structlog.get_logger(__name__)

MOST_CHECKS = 8
"""Pull requests that are checked in one round; the others wait for the next."""
MOST_COMMENTS = 20
"""Releases of one pull request that get a comment; the status counts them all."""
MOST_HEARD = 10
"""Pull requests whose comments are read in one round, those that were told of first, then in turn."""
PUT_OFF = timedelta(minutes=2)
"""A pull request whose check came to nothing is tried again after this."""
LIFETIME = timedelta(hours=1)
"""A command is obeyed for this long: later, what its giver saw may be another thing."""
REMEMBERED = timedelta(days=1)
"""Older comments are not even answered: somebody may have written them before there was a desk."""
WATCHED = timedelta(days=30)
"""Comments under a pull request are heard for this long after it was last seen open."""
TIDIED_EVERY = timedelta(hours=1)
QUESTIONS = 10
"""Questions (plan, status) of one person that are answered in an hour."""
_NEVER = datetime.min.replace(tzinfo=UTC)
NO_RELEASE = ""
"""Under which the local memory keeps what is the desk's."""


class Notes(Protocol):
    """Local memory that may be lost: then closed pull requests are no longer heard."""

    def note(self, release: str, key: str, value: Any) -> None: ...

    def noted(self, release: str, key: str) -> Any: ...


@dataclass
class _Known:
    """What the desk knows of one pull request."""

    seen_at: datetime
    checked: tuple[str, str] = ("", "")
    """Head and base that were checked last."""
    releases: tuple[str, ...] = ()
    evaluated: dict[str, list[str]] = field(default_factory=dict)
    """Identities of the candidates of each release, at the head that was checked last."""
    head: str = ""
    tried_at: datetime = _NEVER
    put_off: bool = False
    """Whether the last try came to nothing: it is tried again, but not at once."""


class Desk:
    """One forge's pull requests. ``look`` is a round; ``poke`` says that one of them is worth a look now."""

    def __init__(
        self,
        forge: Forge,
        repo: PullRepo,
        notes: Notes,
        clock: Clock,
        *,
        where: str,
        planner: Planner | None = None,
    ) -> None:
        """Without a ``planner`` plans are made in a thread, which takes turns with everything else."""
        self._forge = forge
        self._repo = repo
        self._notes = notes
        self._clock = clock
        self._planner = planner or self._in_thread
        self._registrar = Registrar(repo, forge=forge.kind, where=where)
        self._note = f"pulls/{forge.kind}"
        self._known: dict[int, _Known] = self._restored()
        self._open: set[int] = set()
        self._heard: set[tuple[int, int]] = set()
        self._waiting: dict[tuple[int, int], list[Answer]] = {}
        self._questions: dict[str, deque[datetime]] = {}
        self._turn: deque[int] = deque()
        self._poked: set[int] = set()
        self._tidied_at = clock.now()
        self.wake = asyncio.Event()

    def poke(self, number: int) -> None:
        """Something happened to this pull request."""
        self._poked.add(number)
        self.wake.set()

    async def run(self, every: timedelta) -> None:
        """Rounds until cancelled. A round that fails is told and followed by the next."""
        while True:
            self.wake.clear()
            try:
                await self.look()
            except (Unavailable, Denied, Conflict) as error:
                log.warning("pull requests wait", error=error.message, hint=error.hint)
            except Exception:
                log.exception("fault in releasectl", where="pull requests")
            try:
                await asyncio.wait_for(self.wake.wait(), every.total_seconds())
            except TimeoutError:
                continue

    async def look(self) -> None:
        """One round. Raises what the forge or the repository raise as a whole; one pull request hinders no other."""
        now = self._clock.now()
        pulls = {pull.number: pull for pull in await self._forge.open_pulls()}
        heads = await asyncio.to_thread(self._repo.fetch)
        for number in pulls:
            self._known.setdefault(number, _Known(now)).seen_at = now
        self._forget(now)
        if pulls.keys() != self._open:
            await asyncio.to_thread(self._repo.forget_pulls, tuple(pulls))
            self._open = set(pulls)
        if now - self._tidied_at >= TIDIED_EVERY:
            self._tidied_at = now
            # Every head that is fetched leaves a pack behind.
            await asyncio.to_thread(self._repo.maintain)
        due = [pull for pull in pulls.values() if self._is_due(self._known[pull.number], pull, heads, now)]
        # Who waited longest comes first, so that nobody's many pull requests keep others from being checked.
        due.sort(key=lambda pull: (self._known[pull.number].tried_at, pull.number))
        for pull in due[:MOST_CHECKS]:
            known = self._known[pull.number]
            known.tried_at, known.put_off = now, True
            await self._guarded(pull.number, self._check(pull, heads))
            known.put_off = known.checked != (pull.head_sha, heads.manifests)
        for number in self._to_hear():
            await self._guarded(number, self._hear(number, pulls.get(number)))
        for key in list(self._waiting):
            await self._guarded(key[0], self._follow(*key))
        self._remember()
        if len(due) > MOST_CHECKS:
            self.wake.set()

    # --- checks -----------------------------------------------------------------------------------------

    def _is_due(self, known: _Known, pull: Pull, heads: Heads, now: datetime) -> bool:
        if known.put_off and now - known.tried_at < PUT_OFF:
            return False
        return known.checked != (pull.head_sha, heads.manifests)

    async def _check(self, pull: Pull, heads: Heads) -> None:
        known = self._known[pull.number]
        if known.head != pull.head_sha:
            await self._status(pull, CheckState.PENDING, "is being checked")
        ref = REFS.get(self._forge.kind, REFS["github"]).format(pull.number)
        evaluated: dict[str, list[str]] = {}
        try:
            head = await asyncio.to_thread(self._repo.pull_head, ref, pull.number)
            if head != pull.head_sha:
                # The forge and its repository are not of one mind yet: somebody has just pushed.
                return
            tree = await asyncio.to_thread(self._repo.merged, heads.manifests, head)
            plan = await self._planner(Merge(heads.manifests, head, tree, heads.ledger, self._clock.now()))
        except Conflict as error:
            await self._status(pull, CheckState.FAILURE, f"cannot be merged: {error.message}")
        except Denied as error:
            await self._status(pull, CheckState.FAILURE, error.message)
        else:
            await self._tell(pull, plan, known)
            state = CheckState.SUCCESS if plan.is_valid else CheckState.FAILURE
            await self._status(pull, state, comments.description(plan))
            evaluated = _candidates(plan)
        known.evaluated, known.head = evaluated, pull.head_sha
        known.checked = (pull.head_sha, heads.manifests)

    async def _in_thread(self, merge: Merge) -> Plan:
        return await asyncio.to_thread(plan_of, self._repo, merge)

    async def _tell(self, pull: Pull, plan: Plan, known: _Known) -> None:
        """One comment for each release, and a word where one has left the pull request."""
        told = plan.releases[:MOST_COMMENTS]
        for preview in told:
            body = comments.plan_body(preview, plan.base, plan.head)
            await self._forge.mark(pull.number, marker=comments.plan_marker(preview.release), body=body)
        names = {preview.release for preview in plan.releases}
        before = set(known.releases)
        if not before and not known.head:
            # A new process does not know what an older one has told.
            own, remarks = await self._forge.whoami(), await self._forge.remarks(pull.number)
            before = set(comments.planned_before(remarks, own))
        for name in sorted(before - names):
            marker = comments.plan_marker(name)
            await self._forge.mark(pull.number, marker=marker, body=comments.left_body(name, plan.head))
        known.releases = tuple(preview.release for preview in plan.releases)

    async def _status(self, pull: Pull, state: CheckState, text: str) -> None:
        short = text if len(text) <= comments.LONGEST_DESCRIPTION else text[: comments.LONGEST_DESCRIPTION - 3] + "..."
        await self._forge.set_status(pull.head_sha, state, context=comments.CONTEXT, description=short)

    # --- commands ---------------------------------------------------------------------------------------

    def _to_hear(self) -> Sequence[int]:
        """Those that were told of, then the others in turn."""
        self._turn.extend(number for number in sorted(self._known) if number not in self._turn)
        poked = sorted(self._poked)
        self._poked.clear()
        chosen = list(dict.fromkeys(poked))
        while self._turn and len(chosen) < min(MOST_HEARD, len(self._known.keys() | set(poked))):
            number = self._turn.popleft()
            if number in self._known and number not in chosen:
                chosen.append(number)
        return chosen

    async def _hear(self, number: int, pull: Pull | None) -> None:
        remarks = await self._forge.remarks(number)
        own, now = await self._forge.whoami(), self._clock.now()
        new = [one for one in remarks if (number, one.id) not in self._heard and one.author != own]
        spoken = [one for one in new if now - one.at <= REMEMBERED and commands_in(one.body)]
        reviewed = self._known[number].evaluated if number in self._known else {}
        if spoken or (reviewed and pull is None):
            pull = pull or await self._forge.pull(number)
        if pull is None:
            self._heard |= {(number, one.id) for one in new}
            return
        for remark in spoken:
            if not comments.is_answered(remarks, own, comments.answer_marker(remark.id)):
                await self._obey(pull, remark)
        self._heard |= {(number, one.id) for one in new}
        if pull.state is PullState.MERGED and reviewed and self._known[number].head == pull.head_sha:
            await self._count_reviews(pull, reviewed)

    async def _obey(self, pull: Pull, remark: Remark) -> None:
        if remark.edited:
            # On most forges others than its author may edit a comment.
            await self._say(pull.number, remark, ["An edited comment is no command; write a new one."])
            return
        if self._clock.now() - remark.at > LIFETIME:
            text = "This was written too long ago to be obeyed unseen; if it still holds, write it again."
            await self._say(pull.number, remark, [text])
            return
        known = self._known.get(pull.number)
        answers: list[Answer] = []
        for index, command in enumerate(commands_in(remark.body)):
            if command.verb in ("plan", "status") and not self._may_question(remark.author):
                continue
            if command.verb == "plan":
                answers.append(Answer(await self._planned_again(pull)))
                continue
            concerned = known.releases if known else ()
            heard = Heard(command, index, remark, pull, concerned)
            answer = await asyncio.to_thread(self._registrar.answer, heard, self._clock.now())
            # What comes to a request is bounded by who may ask; everything else by how much is said to one person.
            if answer.request or answer.refused or command.verb == "status" or self._may_question(remark.author):
                answers.append(answer)
        if any(one.refused for one in answers):
            body = f"{comments.quoted(remark.author)} may not ask for that here: `spec.roles` of the environment, "
            body += "on the base branch, say who may. Nothing was done."
            await self._forge.mark(pull.number, marker=comments.refusal_marker(remark.author), body=body)
        said = [one for one in answers if one.text]
        if said:
            await self._say(pull.number, remark, [one.text for one in said])
        if any(one.request for one in said):
            self._waiting[pull.number, remark.id] = said

    async def _planned_again(self, pull: Pull) -> str:
        if pull.state is not PullState.OPEN:
            return "The pull request is not open, so there is nothing to plan."
        heads = await asyncio.to_thread(self._repo.fetch)
        self._known.setdefault(pull.number, _Known(self._clock.now())).checked = ("", "")
        await self._check(pull, heads)
        return "The plan is up to date."

    async def _count_reviews(self, pull: Pull, evaluated: Mapping[str, Sequence[str]]) -> None:
        for approving in await self._forge.approvals(pull.number):
            await asyncio.to_thread(self._registrar.review, approving, pull, evaluated, self._clock.now())

    async def _follow(self, number: int, remark: int) -> None:
        """Put what became of requests under the command, once it is known."""
        answers = self._waiting[number, remark]
        lines, open_ones = [], False
        for one in answers:
            result = await asyncio.to_thread(self._registrar.outcome, one.release, one.request) if one.request else None
            open_ones |= bool(one.request) and result is None
            lines.append(one.text if result is None else f"{one.text}\n  {comments.quoted(result)}")
        if open_ones:
            return
        del self._waiting[number, remark]
        await self._forge.mark(
            number, marker=comments.answer_marker(remark), body="\n".join(f"- {one}" for one in lines)
        )

    async def _say(self, number: int, remark: Remark, lines: Sequence[str]) -> None:
        body = "\n".join(f"- {line}" for line in lines)
        await self._forge.mark(number, marker=comments.answer_marker(remark.id), body=body)

    def _may_question(self, login: str) -> bool:
        now = self._clock.now()
        asked = self._questions.setdefault(login.casefold(), deque(maxlen=QUESTIONS))
        if len(asked) == QUESTIONS and now - asked[0] < timedelta(hours=1):
            return False
        asked.append(now)
        return True

    # --- memory -----------------------------------------------------------------------------------------

    async def _guarded(self, number: int, work: Awaitable[None]) -> None:
        try:
            await work
        except ReleasectlError as error:
            log.warning("a pull request waits", number=number, error=error.message, hint=error.hint)
        except Exception:
            # What it holds is a stranger's: were it to find a fault of ours, others' commands must still be heard.
            log.exception("fault in releasectl", where="pull requests", number=number)

    def _forget(self, now: datetime) -> None:
        for number in [n for n, known in self._known.items() if now - known.seen_at > WATCHED]:
            del self._known[number]
        self._heard = {key for key in self._heard if key[0] in self._known}

    def _remember(self) -> None:
        kept = {
            str(number): {
                "at": known.seen_at.isoformat(),
                "head": known.head,
                "releases": list(known.releases),
                "evaluated": known.evaluated,
            }
            for number, known in self._known.items()
        }
        if kept != self._notes.noted(NO_RELEASE, self._note):
            self._notes.note(NO_RELEASE, self._note, kept)

    def _restored(self) -> dict[int, _Known]:
        known = {}
        for number, row in (self._notes.noted(NO_RELEASE, self._note) or {}).items():
            try:
                at = datetime.fromisoformat(row["at"])
                known[int(number)] = _Known(
                    at, releases=tuple(row["releases"]), evaluated=dict(row["evaluated"]), head=row["head"]
                )
            except (ValueError, KeyError, TypeError):
                continue
        return known


def _candidates(plan: Plan) -> dict[str, list[str]]:
    """Identities of the candidates that a plan was made for."""
    return {
        preview.release: tried
        for preview in plan.releases
        if (tried := sorted(one.identity for one in preview.variants if one.name != STABLE))
    }
