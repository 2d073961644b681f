"""Names that the Envoy configuration, its statistics and the components share.

What Envoy counts for a variant stands at ``/stats/prometheus`` of its admin interface under the label
``envoy_cluster_name``, whose value ``parse_cluster`` takes apart:

- ``envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",...}``: answers by class of status, those that
  Envoy gives itself for the variant (503 it cannot be reached, 504 it timed out) included. Their sum over the
  classes is ``envoy_cluster_upstream_rq_completed``. A request whose client went away is in neither.
- ``envoy_cluster_upstream_rq_time_bucket{le="300",...}`` with ``_count``: milliseconds until the answer was
  complete, at the edges of ``HISTOGRAM_BUCKETS_MS``. A request that got no answer (timeout, broken
  connection) is in the status counters only.

Requests of users reach the cluster of the release's entry component; inner hops the clusters of the other
components. Mirrored copies have a cluster of their own, which ``parse_cluster`` does not take for a variant's.
A counter is gone when its cluster is, and starts at 0 when Envoy does.
"""

from __future__ import annotations

from typing import NamedTuple

VARIANT_HEADER = "x-releasectl-variant"
ALLOCATION_HEADER = "x-releasectl-allocation"
PROPENSITY_HEADER = "x-releasectl-propensity"
MIRROR_HEADER = "x-releasectl-mirror"
"""Set to 1 on mirrored copies, so that a component can leave out effects that must not happen twice."""
PLACE_HEADER = "x-releasectl-place"
"""Place of the request's unit among 10,000, between the entry's filter and its route; nobody else sees it."""
PLACE_FILTER = "envoy.filters.http.lua"
HEADER_PREFIX = "x-releasectl-"
REQUEST_ID_HEADER = "x-request-id"

_MIRROR = "mirror"


class ClusterKey(NamedTuple):
    """Whose requests a cluster carries."""

    release: str
    variant: str
    component: str
    tag: str


def cluster_name(key: ClusterKey) -> str:
    """``release/variant/component/tag``: no dots, which would break Envoy's statistics labels."""
    return "/".join(part.replace(".", "_") for part in key)


def mirror_name(key: ClusterKey) -> str:
    """Cluster of the mirrored copies, apart so that they count neither as requests nor as errors of a share."""
    return f"{cluster_name(key)}/{_MIRROR}"


def parse_cluster(name: str) -> ClusterKey | None:
    """Whose cluster it is; None for mirrored copies and for clusters that are not ours."""
    parts = name.split("/")
    return ClusterKey(*parts) if len(parts) == len(ClusterKey._fields) else None


def parse_mirror(name: str) -> ClusterKey | None:
    """Whose mirrored copies it carries; None for any other cluster."""
    head, _, last = name.rpartition("/")
    return parse_cluster(head) if last == _MIRROR else None
