"""Route tables as Envoy resources and back, without an Envoy."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl.adapters.traffic.envoy_config import base_path, clusters, entry_routes, inner_routes, unroutable
from releasectl.adapters.traffic.envoy_names import ClusterKey, cluster_name, mirror_name, parse_cluster, parse_mirror
from releasectl.adapters.traffic.envoy_served import parse_served
from releasectl.domain.release import Sticky
from releasectl.ports import Address, RouteTable
from tests.tables import NOWHERE, a_table

VARIANTS = ("stable", "cand", "rival", "zeta")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, RouteTable]:
    made = {}
    for name in draw(st.lists(st.sampled_from(["desk", "a", "b-2", "shop"]), unique=True)):
        variants = VARIANTS[: draw(st.integers(1, 4))]
        cuts = sorted(draw(st.integers(0, 10_000)) for _ in variants[1:])
        shares = {variant: high - low for variant, low, high in zip(variants, [0, *cuts], [*cuts, 10_000], strict=True)}
        mirrored = draw(st.dictionaries(st.sampled_from(variants), st.integers(0, 10_000), max_size=2))
        sticky = draw(st.sampled_from([None, Sticky(header="x-user"), Sticky(cookie="unit")]))
        hosts = draw(st.sampled_from([(), ("shop.example",), ("*.example", "Shop.example")]))
        at = dict.fromkeys(variants, NOWHERE)
        epoch = draw(st.integers(0, 10**9))
        made[name] = a_table(
            name, at=at, shares=shares, mirrors=mirrored, sticky=sticky, epoch=epoch, hosts=hosts, prefix=f"/{name}"
        )
    return made


@given(tables())
def test_what_is_served_is_read_back_as_it_was_declared(given_tables: dict[str, RouteTable]) -> None:
    served = parse_served(json.loads(json.dumps(entry_routes(given_tables.values()))))
    assert set(served) == set(given_tables)
    for name, table in given_tables.items():
        assert served[name].shares.same_as(table.shares)
        assert served[name].epoch == table.epoch
        assert served[name].mirrors == {variant: points for variant, points in table.mirrors.items() if points}


@given(tables())
def test_the_order_of_tables_does_not_matter(given_tables: dict[str, RouteTable]) -> None:
    forwards, backwards = list(given_tables.values()), list(reversed(given_tables.values()))
    for render in (clusters, entry_routes, inner_routes):
        assert json.dumps(render(forwards)) == json.dumps(render(backwards))


@given(tables())
def test_every_cluster_that_a_route_names_is_defined(given_tables: dict[str, RouteTable]) -> None:
    defined = set(clusters(given_tables.values()))
    text = json.dumps([entry_routes(given_tables.values()), inner_routes(given_tables.values())])
    named = {name for name in _strings(json.loads(text)) if name.count("/") >= 3 and not name.startswith(("/", "^"))}
    assert named <= defined


def _strings(data: object) -> list[str]:
    if isinstance(data, str):
        return [data]
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [text for each in inner for text in _strings(each)]


def test_a_cluster_name_is_taken_apart_again_and_a_mirrors_is_told_from_it() -> None:
    key = ClusterKey("press-desk", "tiny-bert", "sentiment", "0a1b2c3d")
    assert cluster_name(key) == "press-desk/tiny-bert/sentiment/0a1b2c3d"
    assert parse_cluster(cluster_name(key)) == key
    assert parse_mirror(mirror_name(key)) == key
    assert parse_cluster(mirror_name(key)) is None
    assert parse_mirror(cluster_name(key)) is None
    assert parse_cluster("somebody-elses") is None


@pytest.mark.parametrize(
    ("hosts", "prefix", "base"),
    [
        ((), None, "/desk"),
        (("a.example",), None, ""),
        ((), "/", ""),
        ((), "/api", "/api"),
        (("a.example",), "/api/", "/api"),
    ],
)
def test_the_default_prefix_is_the_release_or_with_hosts_everything(
    hosts: tuple[str, ...], prefix: str | None, base: str
) -> None:
    assert base_path(a_table(hosts=hosts, prefix=prefix)) == base


@pytest.mark.parametrize("host", ["a b", "*foo.example", "a.example/x", "ex*mple", ""])
def test_what_is_not_a_host_name_is_not_given_to_envoy(host: str) -> None:
    table = a_table(hosts=(host,))
    assert unroutable(table)
    assert entry_routes([table])["virtual_hosts"][0]["routes"] == []


@pytest.mark.parametrize("prefix", ["/a b", "/a?b", "/a#b", "//a", "/a//b", "/a;b"])
def test_what_is_not_a_path_prefix_is_not_given_to_envoy(prefix: str) -> None:
    assert unroutable(a_table(prefix=prefix))


def test_of_two_releases_at_one_place_the_first_by_name_is_served() -> None:
    both = [a_table("b", prefix="/x"), a_table("a", prefix="/x/")]
    assert set(parse_served(entry_routes(both))) == {"a"}


def test_routes_of_others_are_not_taken_for_ours() -> None:
    foreign = {
        "virtual_hosts": [
            {
                "routes": [
                    {"name": "a", "route": {"cluster": "a"}},
                    {"name": "b", "route": {"weighted_clusters": {"clusters": [{"name": "b", "weight": 10_000}]}}},
                    {"match": {"prefix": "/"}, "redirect": {}},
                ]
            }
        ]
    }
    assert parse_served(foreign) == {}


def test_a_host_name_as_a_backend_is_resolved_and_a_number_is_not() -> None:
    made = clusters([a_table(at={"stable": Address("models.internal", 80), "cand": Address("127.0.0.1", 80)})])
    assert {cluster["type"] for cluster in made.values()} == {"STRICT_DNS", "STATIC"}
