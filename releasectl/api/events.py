"""What may be posted to ``/v1/events``, as predictions and outcomes. Pure.

====================================================  ========================================================
type                                                  becomes
====================================================  ========================================================
``dev.releasectl.prediction``                         a prediction
``dev.releasectl.outcome``                            an outcome
``org.kubeflow.serving.inference.response``           a prediction, from what KServe's logger knows
``org.kubeflow.serving.inference.request``            nothing: the answer makes the exposure
====================================================  ========================================================

KServe's logger names the release in ``inferenceservicename``. For the variant, the allocation and the request id it
must be told to log our headers (``metadataHeaders: [X-Releasectl-Variant, X-Releasectl-Allocation,
X-Releasectl-Propensity, X-Request-Id]``). It logs answers with status 200 only, so no error rate rests on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from releasectl.api.cloudevents import CloudEvent, problem_of
from releasectl.domain.base import Name, VersionName
from releasectl.ports import Outcome, Prediction

PREDICTION = "dev.releasectl.prediction"
OUTCOME = "dev.releasectl.outcome"
KSERVE_REQUEST = "org.kubeflow.serving.inference.request"
KSERVE_RESPONSE = "org.kubeflow.serving.inference.response"
TYPES = (PREDICTION, OUTCOME, KSERVE_RESPONSE, KSERVE_REQUEST)

AHEAD = timedelta(hours=1)
"""How far a client's clock may be ahead of ours."""

Text = Annotated[str, Field(min_length=1, max_length=256)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**53)]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one event of a request; ``reason`` is from a short list, for counting."""

    index: int
    reason: str
    message: str


class Rejected(ValueError):
    """Events that cannot be taken, all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} of the events cannot be taken")
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Taken:
    """The content of a request."""

    predictions: tuple[Prediction, ...]
    outcomes: tuple[Outcome, ...]
    types: tuple[str, ...]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PredictionData(_Data):
    """Data of a ``dev.releasectl.prediction``. ``ts`` may be left to the event's ``time``."""

    request_id: Text
    release: Name
    variant: Name
    component: Name | None = None
    version: VersionName | None = None
    tag: Text | None = None
    unit: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    allocation_id: Whole | None = None
    propensity: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    mirrored: Annotated[bool, Field(strict=True)] = False
    ts: AwareDatetime | None = None
    latency_ms: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | None = None
    status: Annotated[int, Field(strict=True, ge=100, le=599)] | None = None
    features: dict[str, JsonValue] | None = None
    output: JsonValue = None
    attributions: dict[str, Number] | None = None
    segment: dict[str, str] | None = None
    cost: dict[str, Number] | None = None


class OutcomeData(_Data):
    """Data of a ``dev.releasectl.outcome``. ``observed_at`` may be left to the event's ``time``."""

    request_id: Text | None = None
    unit: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    metric: Text
    value: Number
    observed_at: AwareDatetime | None = None
    release: Name | None = None
    source: Text = "system"
    variant: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> OutcomeData:
        if (self.request_id is None) == (self.unit is None):
            raise ValueError("give either request_id or unit")
        if self.variant is not None and self.request_id is None:
            raise ValueError("a variant's answer is told by its request_id")
        return self


def read_events(raw: Sequence[Any], now: datetime) -> Taken:
    """Check every event. Raises Rejected with all that is wrong: a batch is taken whole or not at all.

    Whole, because a sender that repeats a batch after repairing it would not know which part was kept; repeating is
    harmless, since what is known already is passed over.
    """
    predictions: list[Prediction] = []
    outcomes: list[Outcome] = []
    types: list[str] = []
    problems: list[Problem] = []
    for index, each in enumerate(raw):
        try:
            event = CloudEvent.model_validate(each)
        except ValidationError as error:
            problems.append(Problem(index, "envelope", problem_of(error)))
            continue
        try:
            content = _content(event, now)
        except ValidationError as error:
            problems.append(Problem(index, "data", problem_of(error, "data")))
        except _Unusable as error:
            problems.append(Problem(index, error.reason, str(error)))
        else:
            types.append(event.type)
            if isinstance(content, Prediction):
                predictions.append(content)
            elif content is not None:
                outcomes.append(content)
    if problems:
        raise Rejected(problems)
    return Taken(tuple(predictions), tuple(outcomes), tuple(types))


class _Unusable(ValueError):
    def __init__(self, message: str, reason: str = "data") -> None:
        super().__init__(message)
        self.reason = reason


def _content(event: CloudEvent, now: datetime) -> Prediction | Outcome | None:
    if event.type == PREDICTION:
        return _prediction(PredictionData.model_validate(event.data), event, now)
    if event.type == OUTCOME:
        return _outcome(OutcomeData.model_validate(event.data), event, now)
    if event.type == KSERVE_RESPONSE:
        return _from_kserve(event, now)
    if event.type == KSERVE_REQUEST:
        return None
    raise _Unusable(f"type {event.type!r} is not one of {', '.join(TYPES)}", "type")


def _prediction(data: PredictionData, event: CloudEvent, now: datetime) -> Prediction:
    rest = data.model_dump(exclude={"ts", "component"})
    return Prediction(**rest, component=data.component or "", at=_time(data.ts or event.time, now))


def _outcome(data: OutcomeData, event: CloudEvent, now: datetime) -> Outcome:
    rest = data.model_dump(exclude={"observed_at"})
    return Outcome(**rest, observed_at=_time(data.observed_at or event.time, now))


def _time(at: datetime | None, now: datetime) -> datetime:
    if at is None:
        raise _Unusable("neither the data nor the event has a time")
    if at > now + AHEAD:
        raise _Unusable("its time lies in the future")
    return at


def _from_kserve(event: CloudEvent, now: datetime) -> Prediction:
    headers = _logged_headers(event.extension("metadata"))
    # "default" is all that traffic which no canary takes; anything else does not say which variant it was.
    variant = headers.get("x-releasectl-variant") or ("stable" if event.extension("endpoint") == "default" else None)
    data = PredictionData.model_validate(
        {
            "request_id": headers.get("x-request-id") or event.id,
            "release": event.extension("inferenceservicename"),
            "variant": variant,
            "allocation_id": _number(headers.get("x-releasectl-allocation"), int),
            "propensity": _number(headers.get("x-releasectl-propensity"), float),
            "mirrored": headers.get("x-releasectl-mirror") == "1",
            "status": 200,
            "output": event.data,
        }
    )
    return _prediction(data, event.model_copy(update={"time": event.time or now}), now)


def _logged_headers(metadata: str) -> dict[str, str]:
    try:
        logged = json.loads(metadata or "{}")
    except ValueError:
        raise _Unusable("the extension metadata is no JSON") from None
    if not isinstance(logged, Mapping):
        raise _Unusable("the extension metadata is no map of headers")
    first = {name.lower(): value[0] if isinstance(value, list) and value else value for name, value in logged.items()}
    return {name: value for name, value in first.items() if isinstance(value, str)}


def _number(text: str | None, kind: type[int] | type[float]) -> float | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise _Unusable(f"a logged header should be a number and is {text[:40]!r}") from None
