"""Which hops outlive their routes, and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from releasectl.adapters.traffic.envoy_config import clusters, inner_routes
from releasectl.adapters.traffic.envoy_leaving import leaving
from releasectl.ports import RouteTable
from tests.tables import NOWHERE, a_table


def _table(epoch: int, **tags: str) -> RouteTable:
    """Variants by the tag of their versions."""
    return replace(a_table(at=dict.fromkeys(tags, NOWHERE), epoch=epoch), tags=tags)


def _left(before: list[dict[str, Any]], old: RouteTable, new: RouteTable | None) -> list[dict[str, Any]]:
    unused = clusters([old]).keys() - (clusters([new]).keys() if new else set())
    return leaving(before, unused, {new.release: new} if new else {})


def _hops(table: RouteTable) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = inner_routes([table])["virtual_hosts"][0]["routes"]
    return found


def _told(routes: list[dict[str, Any]]) -> list[tuple[str, str, int | None]]:
    """Variant that a hop is for, tag of its cluster, and the allocation before which it is."""
    found = []
    for route in routes:
        headers = {header["name"]: header for header in route["match"].get("headers", ())}
        variant = headers.get("x-releasectl-variant", {}).get("string_match", {}).get("exact", "any")
        bound = headers.get("x-releasectl-allocation", {}).get("range_match", {}).get("end")
        found.append((variant, route["route"]["cluster"].rpartition("/")[2], bound))
    return found


def test_shares_that_change_leave_no_hop_behind() -> None:
    old, new = _table(1, stable="a", next="b"), _table(2, stable="a", next="b")
    assert _left(_hops(old), old, new) == []


def test_after_a_promotion_the_old_stable_is_for_requests_of_older_allocations_only() -> None:
    old, new = _table(4, stable="a", next="b"), _table(5, stable="b")
    assert _told(_left(_hops(old), old, new)) == [("next", "b", None), ("stable", "a", 5)]


def test_a_candidate_of_the_same_name_and_other_versions_leaves_the_old_one_its_requests() -> None:
    old, new = _table(4, stable="a", next="b"), _table(5, stable="a", next="c")
    assert _told(_left(_hops(old), old, new)) == [("next", "b", 5)]


def test_of_two_that_left_one_after_the_other_the_older_allocation_is_asked_first() -> None:
    first, second, third = _table(4, stable="a"), _table(5, stable="b"), _table(9, stable="c")
    kept = _left(_hops(first), first, second)
    before = inner_routes([second], kept)["virtual_hosts"][0]["routes"]
    unused = (clusters([first]) | clusters([second])).keys() - clusters([third]).keys()
    assert _told(leaving(before, unused, {"desk": third})) == [("stable", "a", 5), ("stable", "b", 9)]


def test_a_release_that_is_gone_keeps_its_hops_as_they_were() -> None:
    old = _table(4, stable="a", next="b")
    assert _left(_hops(old), old, None) == _hops(old)


def test_a_hop_goes_with_its_cluster() -> None:
    old, new = _table(4, stable="a"), _table(5, stable="b")
    assert leaving(_hops(old), set(), {"desk": new}) == []
