"""Rules that no single field can check: names fit together, references lead somewhere, the whole can run.

Each rule answers one question about a release and yields what is wrong; ``RULES`` lists them. Rules see
valid documents only, and a missing reference (``environment`` or ``policy`` None) is reported elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

from releasectl.domain.base import format_duration
from releasectl.domain.environment import Environment
from releasectl.domain.metric import Metric
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.release import STABLE, Component, Release
from releasectl.domain.strategy import ABTest, Bandit, Canary, Shadow, Stage
from releasectl.errors import Problem
from releasectl.manifests import contracts
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import nearest, suggestion
from releasectl.manifests.nodes import Mapping as MappingNode
from releasectl.manifests.nodes import Node, Scalar, Step, descend, format_path

Path = tuple[Step, ...]
MAX_PORT = 65535


@dataclass(frozen=True)
class Given:
    """A release and what it refers to, as far as that was found."""

    document: Document
    release: Release
    environment: Environment | None
    policy: PromotionPolicy | None
    metrics: Mapping[str, Metric]
    policy_path: str = ""

    def at(self, path: Path, message: str, hint: str = "", code: str = "inconsistent") -> Problem:
        return at(self.document, path, message, hint, code)

    @property
    def components(self) -> Mapping[str, Component]:
        return {component.name: component for component in self.release.spec.components}


def at(
    document: Document,
    path: Path,
    message: str,
    hint: str = "",
    code: str = "inconsistent",
    *,
    severity: Literal["error", "warning"] = "error",
) -> Problem:
    """A problem at a field of a document, or at the nearest field above it that exists."""
    node = _pointed(document.root, path)
    return Problem(document.file, node.line, node.column, format_path(path), message, hint, code, severity)


def check(given: Given) -> Iterator[Problem]:
    """Everything the rules find, warnings included."""
    for rule in RULES:
        yield from rule(given)


# --- names ----------------------------------------------------------------------------------------------


def names_repeat(given: Given) -> Iterator[Problem]:
    """A component, a version or a candidate has the name of another."""
    spec = given.release.spec
    yield from _repeated(given, ("spec", "components"), "component", [c.name for c in spec.components])
    for index, component in enumerate(spec.components):
        path = ("spec", "components", index, "versions")
        yield from _repeated(given, path, "version", [version.name for version in component.versions])
    yield from _repeated(given, ("spec", "candidates"), "candidate", [c.name for c in spec.candidates])


def candidate_is_called_stable(given: Given) -> Iterator[Problem]:
    """A candidate takes the name that is kept for what serves now."""
    for index, candidate in enumerate(given.release.spec.candidates):
        if candidate.name == STABLE:
            message = f"{STABLE!r} is the variant that serves now; a candidate needs another name"
            yield given.at(("spec", "candidates", index, "name"), message, code="reserved-name")


# --- variants -------------------------------------------------------------------------------------------


def stable_is_incomplete(given: Given) -> Iterator[Problem]:
    """Stable lacks a component, or names a component or version that is not declared."""
    stable, path = given.release.spec.stable, ("spec", "stable")
    yield from _unknown_versions(given, path, stable)
    for name, component in given.components.items():
        if name not in stable:
            versions = ", ".join(version.name for version in component.versions)
            message = f"stable names no version of the component {name!r}"
            yield given.at(path, message, f"declared versions: {versions}", "incomplete-stable")


def candidate_is_unknown_or_no_change(given: Given) -> Iterator[Problem]:
    """A candidate names what is not declared, or equals stable."""
    stable = given.release.spec.stable
    for index, candidate in enumerate(given.release.spec.candidates):
        path = ("spec", "candidates", index, "versions")
        yield from _unknown_versions(given, path, candidate.versions)
        if all(stable.get(name) == version for name, version in candidate.versions.items()):
            message = f"the candidate {candidate.name!r} does not differ from stable"
            yield given.at(path, message, "name another version, or remove the candidate", "no-change")


# --- the model graph ------------------------------------------------------------------------------------


def edge_leads_nowhere(given: Given) -> Iterator[Problem]:
    """A component comes after one that is not declared, or after itself by any way round."""
    known = given.components
    for index, component in enumerate(given.release.spec.components):
        for position, name in enumerate(component.after):
            if name not in known:
                path = ("spec", "components", index, "after", position)
                yield given.at(path, f"no component {name!r}", suggestion(name, known), "unknown-name")
    if circle := _circle({name: component.after for name, component in known.items()}):
        message = f"the components wait for each other in a circle: {' -> '.join(circle)}"
        index = [component.name for component in given.release.spec.components].index(circle[0])
        yield given.at(("spec", "components", index, "after"), message, "an edge must go", "cycle")


def entry_is_unclear(given: Given) -> Iterator[Problem]:
    """The entry is not declared, or more than one component could be it."""
    entry, known = given.release.spec.entry, given.components
    needed = {name for component in known.values() for name in component.after}
    last = [name for name in known if name not in needed]
    if entry and entry not in known:
        yield given.at(("spec", "entry"), f"no component {entry!r}", suggestion(entry, known), "unknown-name")
    elif not entry and len(last) > 1:
        message = f"several components could take users' requests: {', '.join(last)}"
        yield given.at(("spec", "components"), message, "name one in `entry`, or add edges with `after`", "entry")


def contract_is_broken(given: Given) -> Iterator[Problem]:
    """An interface is no JSON Schema, or an edge's producer does not fit its consumer."""
    for path, message, hint in contracts.findings(given.release.spec.components):
        yield given.at(path, message, hint, "contract")


# --- strategy -------------------------------------------------------------------------------------------


def first_stage_cannot_begin(given: Given) -> Iterator[Problem]:
    """Approval keeps the shares of the stage before it, so it cannot come first."""
    if given.release.spec.strategy[0].type == "approval":
        message = "approval judges what a stage before it has shown, so it cannot come first"
        yield given.at(("spec", "strategy", 0), message, "put a canary before it", "stage-order")


def shadow_comes_last(given: Given) -> Iterator[Problem]:
    """A shadow shows how a candidate answers, not how it serves: no guardrail has counted a request of it."""
    last = len(given.release.spec.strategy) - 1
    if given.release.spec.strategy[last].type == "shadow":
        message = "after a shadow no user has been served by the candidate, so nothing is proven about serving"
        yield given.at(("spec", "strategy", last), message, "let a canary follow it", "stage-order")


def shadow_cannot_be_read(given: Given) -> Iterator[Problem]:
    """Answers are compared in the event log, of a component that the release has."""
    providers = given.environment.spec.providers if given.environment else ()
    for index, stage in enumerate(given.release.spec.strategy):
        if stage.type != "shadow":
            continue
        path: Path = ("spec", "strategy", index)
        if given.environment and not any(provider.type == "log" for provider in providers):
            message = f"the environment {given.environment.name!r} has no log to compare answers in"
            yield given.at(path, message, "add {type: log} to its providers", "unreadable-metric")
        if stage.component and stage.component not in given.components:
            hint = suggestion(stage.component, given.components)
            yield given.at((*path, "component"), f"no component {stage.component!r}", hint, "unknown-name")


def shadow_proves_nothing(given: Given) -> Iterator[Problem]:
    """A shadow shall prove what is no objective of the policy."""
    if given.policy is None:
        return
    wanted = {objective.metric for objective in given.policy.spec.objectives}
    for index, stage in enumerate(given.release.spec.strategy):
        for place, name in enumerate(stage.prove if stage.type == "shadow" else ()):
            path: Path = ("spec", "strategy", index, "prove", place)
            if name not in wanted:
                message = f"the policy {given.policy.name!r} has no objective {name!r}"
                yield given.at(path, message, suggestion(name, wanted), "unknown-name")


def approval_cannot_be_reached(given: Given) -> Iterator[Problem]:
    """More approvals are asked for than there are people to give them; or a name that is nearly a team's."""
    teams = given.environment.spec.teams if given.environment else {}
    for index, stage in enumerate(given.release.spec.strategy):
        if stage.type != "approval":
            continue
        path = ("spec", "strategy", index)
        people = {name for entry in stage.from_ for name in teams.get(entry, (entry,))}
        if given.environment and stage.from_ and len(people) < stage.required:
            message = f"{stage.required} approvals are required, and `from` names {len(people)} who may give one"
            yield given.at((*path, "required"), message, "name more people or teams, or require fewer", "no-quorum")
        for position, entry in enumerate(stage.from_):
            if entry not in teams and (meant := nearest(entry, teams)):
                message = (
                    f"{entry!r} is no team of the environment {given.release.spec.environment!r}; it counts as a person"
                )
                yield at(
                    given.document,
                    (*path, "from", position),
                    message,
                    f"did you mean {meant!r}?",
                    "unknown-team",
                    severity="warning",
                )


def last_step_leaves_stable_nothing(given: Given) -> Iterator[Problem]:
    """At 100 percent there is nothing left to compare with. A warning."""
    for index, stage in enumerate(given.release.spec.strategy):
        last = stage.shares[-1] if stage.type == "canary" else stage.share if stage.type == "ab" else 0
        if last == 100:
            path = ("spec", "strategy", index, _share_field(stage))
            message = "a share of 100 leaves stable no requests to compare with"
            yield at(
                given.document,
                path,
                message,
                "end at 50 or so; promotion gives the rest",
                "last-step",
                severity="warning",
            )


def candidate_gets_no_share(given: Given) -> Iterator[Problem]:
    """There are more candidates than the first share has hundredths of a percent to give."""
    candidates = len(given.release.spec.candidates)
    for index, stage in enumerate(given.release.spec.strategy):
        first = stage.shares[0] if stage.type == "canary" else stage.share if stage.type == "ab" else None
        if first is not None and round(first * 100) < candidates:
            message = f"{first:g} % is too little for {candidates} candidates: one of them would get no request"
            hint = f"begin with {candidates / 100:g} or more: the smallest share is 0.01 %"
            yield given.at(("spec", "strategy", index, _share_field(stage)), message, hint, "out-of-range")


def steps_outlast_the_policy(given: Given) -> Iterator[Problem]:
    """The steps alone take longer than the policy gives a stage. A warning."""
    if given.policy is None:
        return
    limit, dwell = given.policy.spec.max_duration, given.policy.spec.min_dwell
    for index, stage in enumerate(given.release.spec.strategy):
        if stage.type == "approval":
            continue
        steps, interval = _steps_of(stage)
        least = steps * max(interval, dwell)
        if least >= limit:
            name, path = given.policy.name, ("spec", "strategy", index)
            message = f"the steps take {format_duration(least)} at least, and policy {name!r} allows "
            message += f"{format_duration(limit)}: the stage would end inconclusive"
            yield at(given.document, path, message, "shorten `interval` or the steps", "too-slow", severity="warning")


def metric_matures_too_late(given: Given) -> Iterator[Problem]:
    """Exposures count once they are older than the policy gives a stage, so that none ever would. A warning."""
    if given.policy is None:
        return
    limit = given.policy.spec.max_duration
    for name, metric in given.metrics.items():
        if metric.maturity >= limit:
            message = f"{name} counts what is older than {format_duration(metric.maturity)}, and policy "
            message += f"{given.policy.name!r} allows a stage {format_duration(limit)}: it would end inconclusive"
            hint = "a longer `maxDuration`, or a shorter `maturity`"
            yield at(given.document, ("spec", "policy"), message, hint, "too-slow", severity="warning")


def bandit_earns_what_is_not_proven(given: Given) -> Iterator[Problem]:
    """A bandit's objective is none of the policy's, so that nothing would prove what it ends with."""
    if given.policy is None:
        return
    proven = [objective.metric for objective in given.policy.spec.objectives]
    for index, stage in _bandits(given):
        if stage.objective not in proven:
            path = ("spec", "strategy", index, "objective")
            message = f"{stage.objective!r} is no objective of policy {given.policy.name!r}"
            hint = suggestion(stage.objective, proven, known="its objectives") or "name it there: it must be proven"
            yield given.at(path, message, hint, "unknown-name")


def bandit_shares_do_not_fit(given: Given) -> Iterator[Problem]:
    """What a bandit's variants are promised adds up to more than there is, or no update could be large enough."""
    candidates = len(given.release.spec.candidates)
    for index, stage in _bandits(given):
        path: Path = ("spec", "strategy", index)
        for name, percent in (("explore", stage.explore), ("floor", stage.floor)):
            promised = max(percent, stage.control or 0) + candidates * percent
            if promised > 100:
                message = f"{name} and control promise {promised:g} % to {candidates + 1} variants together"
                yield given.at((*path, name), message, "at most 100 % can be promised", "out-of-range")
        if stage.min_shift > stage.max_step:
            message = f"no update may move {stage.min_shift:g} points, which minShift asks for"
            yield given.at((*path, "minShift"), message, f"maxStep is {stage.max_step:g}", "out-of-range")


def bandit_costs_are_incomplete(given: Given) -> Iterator[Problem]:
    """Costs are given for some variants and not for others, or for one that is not on trial."""
    names = [STABLE, *(candidate.name for candidate in given.release.spec.candidates)]
    for index, stage in _bandits(given):
        path = ("spec", "strategy", index, "cost", "perRequest")
        costs = stage.cost.per_request if stage.cost else dict.fromkeys(names, 0.0)
        for name in costs:
            if name not in names:
                yield given.at((*path, name), f"no variant {name!r}", suggestion(name, names), "unknown-name")
        for name in names:
            if name not in costs:
                message = f"no cost for {name!r}"
                yield given.at(path, message, "what is left out would seem free; write 0 if it is", "missing-cost")


# --- environment ----------------------------------------------------------------------------------------


def version_cannot_run(given: Given) -> Iterator[Problem]:
    """A local environment must know how to start or reach each version."""
    if given.environment is None or given.environment.spec.workloads.type != "local":
        return
    for index, component in enumerate(given.release.spec.components):
        for position, version in enumerate(component.versions):
            path = ("spec", "components", index, "versions", position)
            if version.run and version.address:
                yield given.at(path, "gives both `run` and `address`", "keep one of the two", "not-runnable")
            elif not (version.run or version.address):
                message = f"the environment {given.environment.name!r} cannot tell how to start this version"
                yield given.at(path, message, "give `run` (a command) or `address` (host:port)", "not-runnable")
            if version.address and not 0 < int(version.address.rpartition(":")[2]) <= MAX_PORT:
                message = f"{version.address!r} has no port from 1 to {MAX_PORT}"
                yield given.at((*path, "address"), message, code="out-of-range")


def sticky_is_unclear(given: Given) -> Iterator[Problem]:
    """Stickiness by neither or by both of header and cookie."""
    sticky = given.release.spec.route.sticky
    if sticky and (sticky.header is None) == (sticky.cookie is None):
        yield given.at(("spec", "route", "sticky"), "give either header or cookie")


def metric_cannot_be_read(given: Given) -> Iterator[Problem]:
    """A metric has no query for any provider of the environment."""
    if given.environment is None or given.policy is None:
        return
    providers = {provider.type for provider in given.environment.spec.providers}
    for name, metric in given.metrics.items():
        queries = metric.query.to_data().keys()
        if not providers & queries:
            message = f"policy {given.policy.name!r} needs the metric {name!r}, which cannot be read in the "
            message += f"environment {given.environment.name!r}"
            hint = f"the metric asks {_listed(queries)}; the environment has {_listed(providers)}"
            yield given.at(("spec", "policy"), message, hint, "unreadable-metric")


RULES: tuple[Callable[[Given], Iterator[Problem]], ...] = (
    names_repeat,
    candidate_is_called_stable,
    stable_is_incomplete,
    candidate_is_unknown_or_no_change,
    edge_leads_nowhere,
    entry_is_unclear,
    contract_is_broken,
    first_stage_cannot_begin,
    shadow_comes_last,
    shadow_cannot_be_read,
    shadow_proves_nothing,
    approval_cannot_be_reached,
    last_step_leaves_stable_nothing,
    candidate_gets_no_share,
    steps_outlast_the_policy,
    metric_matures_too_late,
    bandit_earns_what_is_not_proven,
    bandit_shares_do_not_fit,
    bandit_costs_are_incomplete,
    version_cannot_run,
    sticky_is_unclear,
    metric_cannot_be_read,
)


# --- routes ---------------------------------------------------------------------------------------------


class RouteKey(NamedTuple):
    """Requests that one release only can have."""

    environment: str
    host: str
    prefix: str

    @property
    def shown(self) -> str:
        return f"{self.host or 'any host'}, prefix {self.prefix}"


def route_keys(release: Release) -> tuple[RouteKey, ...]:
    """What a release claims of its environment's entry."""
    route = release.spec.route
    prefix = route.prefix or ("/" if route.hosts else f"/{release.name}/")
    hosts = tuple(dict.fromkeys(host.lower() for host in route.hosts)) or ("",)
    return tuple(RouteKey(release.spec.environment, host, prefix.rstrip("/") + "/") for host in hosts)


# --- parts of rules -------------------------------------------------------------------------------------


def _pointed(root: Node, path: Path) -> Node:
    """The value at a path if it stands on its key's line, else the key or entry that it belongs to."""
    anchor: Node = root
    node: Node | None = root
    for step in path:
        entry = node.entries.get(step) if isinstance(node, MappingNode) and isinstance(step, str) else None
        node = entry.value if entry else descend(node, step)
        if node is None:
            return anchor
        anchor = entry.key if entry else node
    return node if isinstance(node, Scalar) else anchor


def _steps_of(stage: Shadow | Canary | ABTest | Bandit) -> tuple[int, timedelta]:
    """The number of steps that a stage takes at least, and the least time of each."""
    match stage:
        case Canary():
            return len(stage.shares), stage.interval
        case ABTest() | Shadow():
            return 1, stage.duration
        case Bandit():
            return 1, stage.every


def _share_field(stage: Stage) -> str:
    """The field that says how much the candidates of a canary or an A/B stage get."""
    if isinstance(stage, Canary):
        return "grow" if stage.grow else "steps"
    return "share"


def _bandits(given: Given) -> Iterator[tuple[int, Bandit]]:
    for index, stage in enumerate(given.release.spec.strategy):
        if isinstance(stage, Bandit):
            yield index, stage


def _repeated(given: Given, path: Path, what: str, names: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield given.at((*path, index, "name"), f"a {what} {name!r} stands above already", code="duplicate-name")


def _unknown_versions(given: Given, path: Path, chosen: Mapping[str, str]) -> Iterator[Problem]:
    known = given.components
    for name, version in chosen.items():
        component = known.get(name)
        if component is None:
            yield given.at((*path, name), f"no component {name!r}", suggestion(name, known), "unknown-name")
        elif component.version(version) is None:
            hint = suggestion(version, [v.name for v in component.versions], known="declared versions")
            yield given.at((*path, name), f"{name!r} has no version {version!r}", hint, "unknown-name")


def _circle(edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Some circle in the graph, its first node repeated at the end; empty if there is none."""
    done: set[str] = set()
    for start in edges:
        way: list[str] = []
        stack = [(start, 0)]
        while stack:
            name, depth = stack.pop()
            done.update(way[depth:])
            del way[depth:]
            if name in way:
                return [*way[way.index(name) :], name]
            if name in done:
                continue
            way.append(name)
            stack += [(other, depth + 1) for other in edges.get(name, ())]
        done.update(way)
    return []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
