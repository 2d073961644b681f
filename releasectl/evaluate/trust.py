"""Can these data be used? What was read is a verdict only when it is fresh, valid and there."""

from __future__ import annotations

from releasectl.domain.evidence import MetricState
from releasectl.domain.observation import Reading, ReadState

UNREADABLE: dict[ReadState, MetricState] = {
    ReadState.STALE: MetricState.STALE,
    ReadState.INVALID: MetricState.INVALID,
    ReadState.PROVIDER_ERROR: MetricState.PROVIDER_ERROR,
}


def unreadable(reading: Reading | None) -> MetricState | None:
    """The state that forbids a judgement now, or None. A metric that was never asked is a provider error."""
    if reading is None:
        return MetricState.PROVIDER_ERROR
    return UNREADABLE.get(reading.state)
