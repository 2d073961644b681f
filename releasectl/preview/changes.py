"""What differs between two states of a release, one line for each thing that a person would name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from releasectl.decide.inputs import Desired
from releasectl.domain.base import Model, format_duration
from releasectl.domain.policy import Watch
from releasectl.domain.release import STABLE, Candidate, Component, Release, Version
from releasectl.domain.strategy import ABTest, Approval, Bandit, Canary, Shadow, Stage
from releasectl.preview.document import Change, Subject, VariantShown, VersionShown

_LONGEST = 80


def changes(before: Desired | None, after: Desired | None) -> tuple[Change, ...]:
    """Everything that differs, the release's own file first. Both None: nothing."""
    if before is None or after is None:
        one = after or before
        if one is None:
            return ()
        return (Change(sign="+" if after else "-", subject="release", name=one.release.name, note=one.path),)
    return tuple(_changes(before, after))


def variants(desired: Desired) -> tuple[VariantShown, ...]:
    """Stable and the candidates with every version."""
    release = desired.release
    stable = release.variant(STABLE).versions
    return tuple(
        VariantShown(
            name=name,
            identity=release.variant(name).identity,
            versions=tuple(
                _shown(component, version, changed=name != STABLE and version.identity != stable[component].identity)
                for component, version in release.variant(name).versions.items()
            ),
        )
        for name in (STABLE, *(candidate.name for candidate in release.spec.candidates))
    )


def stage_in_words(stage: Stage | Watch) -> str:
    """``canary 1, 10, 50 %, at least 10m each``."""
    match stage:
        case Canary():
            return f"canary {_percents(stage.shares)}, at least {format_duration(stage.interval)} each"
        case ABTest():
            return f"ab with {stage.share:g} %, at least {format_duration(stage.duration)}"
        case Bandit():
            return f"bandit for {stage.objective}, updated every {format_duration(stage.every)} at most"
        case Shadow():
            return f"shadow of {stage.mirror:g} %, at least {format_duration(stage.duration)}"
        case Approval():
            return f"approval by {stage.required}" + (f" of {', '.join(stage.from_)}" if stage.from_ else "")
        case Watch():
            return f"watch at {100 - stage.keep:g} % for {format_duration(stage.for_)}"


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves in which two JSON values differ, by path; a missing one is None."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
    elif before != after:
        yield path, before, after


def _changes(before: Desired, after: Desired) -> Iterator[Change]:
    old, new = before.release, after.release
    if before.path != after.path:
        yield Change(sign="~", subject="file", name=new.name, before=before.path, after=after.path)
    yield from _components(old, new)
    yield from _chosen(old, new)
    yield from _strategy(old, new)
    yield from _fields("route", _data(old.spec.route), _data(new.spec.route))
    if old.entry != new.entry:
        yield Change(sign="~", subject="route", name="entry", before=old.entry, after=new.entry)
    yield from _referred("policy", before.policy.name, after.policy.name, before.policy.spec, after.policy.spec)
    yield from _metrics(before, after)
    yield from _referred(
        "environment", before.environment.name, after.environment.name, before.environment.spec, after.environment.spec
    )
    yield from _fields("release", _data(old.metadata), _data(new.metadata))


def _components(old: Release, new: Release) -> Iterator[Change]:
    names = dict.fromkeys(component.name for component in (*old.spec.components, *new.spec.components))
    for name in names:
        was, now = old.component(name), new.component(name)
        if was is None or now is None:
            yield Change(sign="+" if now else "-", subject="component", name=name)
            continue
        yield from _versions(was, now)
        if was.after != now.after:
            edges = [", ".join(one.after) or "nothing" for one in (was, now)]
            yield Change(sign="~", subject="component", name=f"{name} after", before=edges[0], after=edges[1])
        if was.interface != now.interface:
            yield from _fields("contract", _data(was.interface), _data(now.interface), name)


def _versions(was: Component, now: Component) -> Iterator[Change]:
    for name in dict.fromkeys(version.name for version in (*was.versions, *now.versions)):
        old, new = was.version(name), now.version(name)
        if old == new:
            continue
        shown = f"{was.name} {name}"
        if old is None or new is None:
            told = _artifact(new or old)
            yield Change(sign="+" if new else "-", subject="version", name=shown, note=told)
            continue
        note = "another artifact under the same name" if old.identity != new.identity else ""
        for path, left, right in differences(_data(old), _data(new)):
            yield Change(
                sign="~", subject="version", name=f"{shown} {path}", before=_text(left), after=_text(right), note=note
            )


def _chosen(old: Release, new: Release) -> Iterator[Change]:
    yield from _map("stable", "stable", old.spec.stable, new.spec.stable)
    for name in dict.fromkeys(candidate.name for candidate in (*old.spec.candidates, *new.spec.candidates)):
        was, now = old.candidate(name), new.candidate(name)
        if was and now:
            yield from _map("candidate", name, was.versions, now.versions)
            if was.unit != now.unit:
                yield Change(sign="~", subject="candidate", name=f"{name} unit", before=was.unit, after=now.unit)
        elif one := now or was:
            yield Change(sign="+" if now else "-", subject="candidate", name=name, note=_lines(one))


def _lines(candidate: Candidate) -> str:
    versions = ", ".join(f"{component} {version}" for component, version in candidate.versions.items())
    return versions if candidate.unit == "atomic" else f"{versions}; one after the other"


def _map(
    subject: Literal["stable", "candidate"], name: str, was: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[Change]:
    for component in dict.fromkeys([*was, *now]):
        if was.get(component) != now.get(component):
            yield Change(
                sign="~",
                subject=subject,
                name=component if name == STABLE else f"{name} {component}",
                before=was.get(component),
                after=now.get(component),
            )


def _strategy(old: Release, new: Release) -> Iterator[Change]:
    was, now = old.spec.strategy, new.spec.strategy
    for index in range(max(len(was), len(now))):
        left = was[index] if index < len(was) else None
        right = now[index] if index < len(now) else None
        if left == right:
            continue
        name = f"stage {index + 1}"
        if left is None or right is None or left.type != right.type:
            yield Change(
                sign="~" if left and right else "+" if right else "-",
                subject="strategy",
                name=name,
                before=stage_in_words(left) if left else None,
                after=stage_in_words(right) if right else None,
            )
        else:
            yield from _fields("strategy", _stage_data(left), _stage_data(right), f"{name} ({right.type})")


def _metrics(before: Desired, after: Desired) -> Iterator[Change]:
    for name in sorted({*before.metrics, *after.metrics}):
        was, now = before.metrics.get(name), after.metrics.get(name)
        if was is None or now is None:
            yield Change(sign="+" if now else "-", subject="metric", name=name)
        elif was != now:
            yield from _fields("metric", _data(was), _data(now), name)


def _referred(subject: Literal["policy", "environment"], was: str, now: str, old: Any, new: Any) -> Iterator[Change]:
    if was != now:
        yield Change(sign="~", subject=subject, name="name", before=was, after=now)
    yield from _fields(subject, _data(old), _data(new))


def _fields(subject: Subject, was: Any, now: Any, prefix: str = "") -> Iterator[Change]:
    for path, left, right in differences(was, now):
        sign: Literal["+", "-", "~"] = "+" if left is None else "-" if right is None else "~"
        yield Change(
            sign=sign, subject=subject, name=f"{prefix} {path}".strip(), before=_text(left), after=_text(right)
        )


def _shown(component: str, version: Version, *, changed: bool) -> VersionShown:
    runtime = version.runtime
    parts = (runtime.language, runtime.framework, version.resources.accelerator)
    return VersionShown(
        component=component,
        version=version.name,
        identity=version.identity,
        artifact=version.artifact,
        runtime=", ".join(part for part in parts if part),
        changed=changed,
    )


def _artifact(version: Version | None) -> str:
    if version is None:
        return ""
    return (
        version.artifact or version.digest or version.address or (" ".join(version.run.command) if version.run else "")
    )


def _data(model: Model) -> dict[str, Any]:
    """With defaults: whoever leaves one out means it, and a change to it is one."""
    data: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return data


def _stage_data(stage: Stage) -> dict[str, Any]:
    """Steps that are worked out read as if they were written down."""
    data = _data(stage)
    if isinstance(stage, Canary):
        data.pop("grow", None)
        data["steps"] = list(stage.shares)
    return data


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _percents(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values) + " %"
