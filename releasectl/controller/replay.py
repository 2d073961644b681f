"""Recorded decisions, made again from their records and compared byte for byte.

A record holds the state with its folds, every block since, people's requests, the quarantine and the time.
What git asked for is read from git, at the revision that the record names; only policies and metrics that
ship with the program are taken from the record, because another version may ship others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from releasectl.controller.desired import DesiredReader
from releasectl.controller.ledger import pretty
from releasectl.controller.record import RECORD_FORMAT, entry_of, made_by
from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Finding, Input
from releasectl.domain.base import Model
from releasectl.domain.decision import EffectiveState, PersonRequest, Quarantine
from releasectl.domain.metric import BUILT_IN, Metric
from releasectl.domain.observation import Observation
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.reasons import Reason
from releasectl.errors import ReleasectlError
from releasectl.evaluate.components import Graph
from releasectl.evaluate.evaluation import Evaluation, evaluate
from releasectl.manifests.catalog import generation_of

SHOWN = 12
"""Differences told of one record; the first say where to look."""

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Difference:
    """One field in which a record and its second making differ; values as JSON, empty where there is none."""

    field: str
    recorded: str
    found: str

    def to_data(self) -> dict[str, str]:
        return {"field": self.field, "recorded": self.recorded, "found": self.found}


@dataclass(frozen=True)
class Replayed:
    """What making a decision again came to. ``fault`` says why that was not possible."""

    differences: tuple[Difference, ...] = ()
    fault: str = ""
    other_versions: Mapping[str, tuple[str, str]] | None = None
    """Program or library -> version of the record and version here, where they are not the same."""

    @property
    def equal(self) -> bool:
        return not self.differences and not self.fault


def replay(content: bytes, reader: DesiredReader) -> Replayed:
    """Make the decision of a record again. Never raises for what a record or the repository may hold."""
    try:
        record: dict[str, Any] = json.loads(content)
        if record["format"] != RECORD_FORMAT:
            return Replayed(fault=f"a record of format {record['format']}, not {RECORD_FORMAT}")
        again = _made_again(record, reader)
    except ReleasectlError as error:
        return Replayed(fault=error.message)
    except ValidationError as error:
        return Replayed(fault=f"the record cannot be read: {error.errors()[0]['msg']} at {_where(error)}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Replayed(fault=f"the record cannot be read: {type(error).__name__}: {error}")
    other = _other_versions(record.get("made_by", {}))
    if pretty(again) == content:
        return Replayed(other_versions=other)
    found = tuple(differences(record, again)) or (Difference("", "another spelling of the same values", ""),)
    return Replayed(found, other_versions=other)


def given_of(content: bytes, reader: DesiredReader) -> Input:
    """What a record's decision was made from. Raises ValueError or one of our errors where that cannot be had."""
    record: dict[str, Any] = json.loads(content)
    return _input(record["given"], _desired(record, reader))


def digest_of_file(content: bytes) -> str:
    """As the trailer of the commit names it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def differences(recorded: Any, found: Any, path: str = "") -> Iterator[Difference]:
    """Every field in which two JSON values differ."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in sorted(recorded.keys() | found.keys()):
            yield from differences(recorded.get(key, _NONE), found.get(key, _NONE), f"{path}.{key}" if path else key)
    elif isinstance(recorded, list) and isinstance(found, list):
        for index in range(max(len(recorded), len(found))):
            one = recorded[index] if index < len(recorded) else _NONE
            other = found[index] if index < len(found) else _NONE
            yield from differences(one, other, f"{path}[{index}]")
    elif _text(recorded) != _text(found):
        yield Difference(path, _text(recorded), _text(found))


# --- making it again ------------------------------------------------------------------------------------


def _made_again(record: Mapping[str, Any], reader: DesiredReader) -> dict[str, Any]:
    given = _input(record["given"], _desired(record, reader))
    return {**entry_of(given, decide(given)).record, "made_by": record.get("made_by")}


def _input(given: Mapping[str, Any], desired: Desired | None) -> Input:
    state = _read(EffectiveState, given["state"]) if given["state"] else None
    observed = _read(Observation, given["observed"])
    return Input(
        desired=desired,
        state=state,
        observed=observed,
        now=datetime.fromisoformat(given["now"]),
        evaluation=_evaluation(desired, state, observed),
        requests=tuple(_read(PersonRequest, request) for request in given["requests"]),
        quarantine={key: _read(Quarantine, held) for key, held in given["quarantine"].items()},
        invalid=given["invalid"],
        proposed=_proposed(given),
    )


def _proposed(given: Mapping[str, Any]) -> Finding | None:
    finding = given.get("proposed")
    if finding is None:
        return None
    requests = (_read(PersonRequest, request) for request in given["requests"])
    request = next((request for request in requests if request.id == finding.get("request")), None)
    return Finding(Reason(finding["reason"]), finding["message"], request=request)


def _evaluation(desired: Desired | None, state: EffectiveState | None, observed: Observation) -> Evaluation:
    if desired is None or state is None or state.progress is None:
        return Evaluation()
    return evaluate(
        policy=desired.policy.spec,
        metrics=desired.metrics,
        candidates=state.candidates,
        folds=state.folds,
        observed=observed,
        epoch=state.epoch,
        stage=desired.stage(state),
        graph=Graph.of(state),
    )


def _desired(record: Mapping[str, Any], reader: DesiredReader) -> Desired | None:
    given, release = record["given"], record["decision"]["release"]
    if not given["revision"]:
        return None
    found = reader.read(given["revision"])
    desired = found.desired.get(release)
    if desired is None:
        raise ValueError(f"{release} is not a valid release at {given['revision'][:9]}")
    policy, metrics = desired.policy, dict(desired.metrics)
    if found.catalog.resolve(release).policy_path.startswith("releasectl:"):
        policy = _read(PromotionPolicy, given["policy"])
    for name, data in given["metrics"].items():
        if name not in metrics or metrics[name] == BUILT_IN.get(name):
            metrics[name] = _read(Metric, data)
    # What a shadow stage compares follows from the release, so it is no part of what identifies the rest.
    declared = {name: metric for name, metric in metrics.items() if metric.query.paired is None}
    generation = generation_of(desired.release, policy, desired.environment, declared)
    # Of the commits at which it reads the same, the record names the one that its controller had read.
    return replace(desired, policy=policy, metrics=metrics, generation=generation, revision=given["revision"])


def _read(model: type[M], data: Any) -> M:
    return model.model_validate_json(json.dumps(data))


def _other_versions(recorded: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    here = made_by()
    return {
        name: (recorded.get(name, "none"), here.get(name, "none"))
        for name in sorted(recorded.keys() | here.keys())
        if recorded.get(name) != here.get(name)
    }


_NONE: Any = object()


def _text(value: Any) -> str:
    return "" if value is _NONE else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _where(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.errors()[0]["loc"]) or "its top"
