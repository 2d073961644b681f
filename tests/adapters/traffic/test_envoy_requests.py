"""What happens to a request on its way through the entry and the inner listener."""

from __future__ import annotations

import httpx
import pytest

from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.adapters.traffic.envoy_names import ClusterKey, parse_cluster
from releasectl.domain.metric import HISTOGRAM_BUCKETS_MS
from tests.backends import Backend
from tests.detached import until
from tests.tables import NOWHERE, a_table

pytestmark = pytest.mark.envoy

HALVES = {"stable": 5_000, "cand": 5_000}


async def test_the_entry_tells_the_variant_whatever_the_client_says(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address}, epoch=7)})
    answer = await client.get(
        f"{router.entry_url('desk')}predict?x=1",
        headers={"x-releasectl-variant": "cand", "X-Releasectl-Propensity": "9", "x-releasectl-mirror": "1"},
    )
    seen = stable.seen[0]
    assert seen.path == "/predict?x=1"
    assert {name: value for name, value in seen.headers.items() if name.startswith("x-releasectl-")} == {
        "x-releasectl-variant": "stable",
        "x-releasectl-allocation": "7",
        "x-releasectl-propensity": "1.0000",
    }
    assert answer.headers["x-releasectl-variant"] == "stable"


async def test_a_request_id_is_kept_or_made_and_told_to_both_sides(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address})})
    given = await client.get(f"{router.entry_url('desk')}", headers={"x-request-id": "mine-1"})
    made = await client.get(f"{router.entry_url('desk')}")
    assert given.headers["x-request-id"] == stable.seen[0].headers["x-request-id"] == "mine-1"
    assert made.headers["x-request-id"] == stable.seen[1].headers["x-request-id"] != ""


async def test_propensity_is_the_share_to_a_hundredth_of_a_percent(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply(
        {"desk": a_table(at={"stable": stable.address, "cand": cand.address}, shares={"stable": 1, "cand": 9_999})}
    )
    await client.get(f"{router.entry_url('desk')}")
    assert cand.seen[0].headers["x-releasectl-propensity"] == "0.9999"


async def test_a_request_sees_one_variant_end_to_end(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    async with Backend("inner-stable") as inner_stable, Backend("inner-cand") as inner_cand:
        backends = {
            "stable": {"sentiment": stable.address, "language-id": inner_stable.address},
            "cand": {"sentiment": cand.address, "language-id": inner_cand.address},
        }
        await router.apply({"desk": a_table(backends=backends, shares=HALVES)})
        met = set()
        for _ in range(40):
            outer = (await client.get(f"{router.entry_url('desk')}")).json()
            carried = {k: v for k, v in outer["headers"].items() if k.startswith("x-re")}
            inner = await client.get(f"{router.component_url('desk', 'language-id')}/detect", headers=carried)
            assert inner.json()["path"] == "/detect"
            assert inner.json()["headers"]["x-request-id"] == outer["headers"]["x-request-id"]
            met.add((outer["name"], inner.json()["name"]))
    assert met == {("stable", "inner-stable"), ("cand", "inner-cand")}


@pytest.mark.parametrize(
    "headers", [{}, {"x-releasectl-variant": "gone"}], ids=["no variant", "a variant that is gone"]
)
async def test_an_inner_hop_of_no_known_variant_is_stables_from_there_on(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address, "cand": cand.address})})
    answer = await client.get(f"{router.component_url('desk', 'sentiment')}/x", headers=headers)
    assert answer.json()["name"] == "stable"
    assert stable.seen[0].headers["x-releasectl-variant"] == "stable"


async def test_a_variant_without_a_share_is_reachable_inside_and_gets_nothing_at_the_entry(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    await router.apply({"desk": a_table(at=at, shares={"stable": 10_000, "cand": 0})})
    for _ in range(50):
        await client.get(f"{router.entry_url('desk')}")
    assert (len(stable.seen), len(cand.seen)) == (50, 0)
    inner = await client.get(f"{router.component_url('desk', 'sentiment')}", headers={"x-releasectl-variant": "cand"})
    assert inner.json()["name"] == "cand"


async def test_paths_lose_the_prefix_and_nothing_else(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    one, two = {"stable": stable.address}, {"stable": cand.address}
    await router.apply({"desk": a_table(at=one), "other": a_table("other", at=two, prefix="/desk/api")})
    root = f"http://127.0.0.1:{router.port}"
    wanted = {
        "/desk/a/b?c=d": ("stable", "/a/b?c=d"),
        "/desk": ("stable", "/"),
        "/desk?q=1": ("stable", "/?q=1"),
        "/desk/api/x": ("cand", "/x"),
        "/desk/apix": ("stable", "/apix"),
        "/desk/api/../y": ("stable", "/y"),
        "/desk/a%20b": ("stable", "/a%20b"),
    }
    for path, expected in wanted.items():
        url = httpx.URL(root).copy_with(raw_path=path.encode())
        answer = (await client.get(url)).json()
        assert (answer["name"], answer["path"]) == expected, path
    assert (await client.get(f"{root}/nobody")).status_code == 404
    assert (await client.get(f"{root}/deskX")).status_code == 404


async def test_hosts_choose_the_release_and_leave_other_paths_to_those_without(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply(
        {
            "shop": a_table("shop", at={"stable": cand.address}, hosts=("Shop.example",), prefix="/v1"),
            "desk": a_table("desk", at={"stable": stable.address}),
        }
    )

    async def ask(host: str, path: str) -> str | int:
        answer = await client.get(f"http://127.0.0.1:{router.port}{path}", headers={"host": host})
        return answer.json()["name"] if answer.status_code == 200 else answer.status_code

    assert await ask("shop.example:8080", "/v1/x") == "cand"
    assert await ask("shop.example", "/desk/x") == "stable"
    assert await ask("other.example", "/v1/x") == 404
    assert await ask("other.example", "/desk/") == "stable"


async def test_errors_are_not_retried_even_if_the_client_asks(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    stable.status = 503
    await router.apply({"desk": a_table(at={"stable": stable.address})})
    asked = {"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "3", "x-envoy-upstream-rq-timeout-ms": "1"}
    answer = await client.get(f"{router.entry_url('desk')}?ms=30", headers=asked)
    assert answer.status_code == 503
    assert len(stable.seen) == 1


async def test_a_request_that_takes_too_long_is_answered_504(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address}, timeout="100ms")})
    assert (await client.get(f"{router.entry_url('desk')}?ms=5000")).status_code == 504


async def test_mirrored_copies_name_their_variant_and_are_counted_apart(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    await router.apply({"desk": a_table(at=at, mirrors={"cand": 10_000}, epoch=4)})
    cand.status = 500
    for _ in range(20):
        assert (await client.get(f"{router.entry_url('desk')}m")).status_code == 200
    await until(lambda: len(cand.seen), lambda count: count == 20)
    copy = cand.seen[0]
    assert copy.path == "/m"
    assert copy.headers["x-releasectl-variant"] == "cand"
    assert copy.headers["x-releasectl-mirror"] == "1"
    assert copy.headers["host"] == f"127.0.0.1:{router.port}"
    assert "x-releasectl-propensity" not in copy.headers
    counted = await _answers(router, client)
    assert counted[ClusterKey("desk", "stable", "sentiment", "tagstab"), "2"] == 20
    assert not any(key.variant == "cand" and count for (key, _), count in counted.items())


async def test_a_mirror_copies_its_part_of_the_requests(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    await router.apply({"desk": a_table(at=at, mirrors={"cand": 2_500})})
    for _ in range(200):
        await client.get(f"{router.entry_url('desk')}")
    # 50 expected, standard deviation 6.1: six of them to either side.
    await until(lambda: len(cand.seen), lambda count: 13 <= count <= 87, within=3)


async def test_copies_are_taken_from_stables_requests_first(
    router: EnvoyRouter, stable: Backend, cand: Backend, client: httpx.AsyncClient
) -> None:
    at = {"stable": stable.address, "cand": cand.address}
    shares = {"stable": 6_000, "cand": 4_000}
    await router.apply({"desk": a_table(at=at, shares=shares, mirrors={"cand": 5_000})})
    for number in range(60):
        await client.get(f"{router.entry_url('desk')}", headers={"x-request-id": str(number)})
    answered = {seen.headers["x-request-id"] for seen in stable.seen}

    def copied() -> set[str]:
        return {seen.headers["x-request-id"] for seen in cand.seen if "x-releasectl-mirror" in seen.headers}

    assert await until(copied) <= answered


async def test_statistics_bear_our_names_and_bucket_edges(
    router: EnvoyRouter, stable: Backend, client: httpx.AsyncClient
) -> None:
    await router.apply({"desk": a_table(at={"stable": stable.address, "cand": NOWHERE}, shares=HALVES)})
    for _ in range(40):
        await client.get(f"{router.entry_url('desk')}")
    counted = await _answers(router, client)
    good = counted[ClusterKey("desk", "stable", "sentiment", "tagstab"), "2"]
    # An address nobody listens at is the variant's error, answered by Envoy in its place.
    bad = counted[ClusterKey("desk", "cand", "sentiment", "tagcand"), "5"]
    assert (good, bad) == (len(stable.seen), 40 - len(stable.seen))

    def edges(text: str) -> list[float]:
        of_ours = 'upstream_rq_time_bucket{envoy_cluster_name="desk/stable/sentiment/tagstab",le="'
        return [float(line.split(of_ours)[1].split('"')[0]) for line in text.splitlines() if of_ours in line]

    text = await until(lambda: _scrape(router, client), edges, within=5)
    assert edges(text) == [*(float(edge) for edge in HISTOGRAM_BUCKETS_MS), float("inf")]


async def _scrape(router: EnvoyRouter, client: httpx.AsyncClient) -> str:
    return (await client.get(f"{router.admin_url}/stats/prometheus")).text


async def _answers(router: EnvoyRouter, client: httpx.AsyncClient) -> dict[tuple[ClusterKey, str], int]:
    counted = {}
    for line in (await _scrape(router, client)).splitlines():
        if line.startswith("envoy_cluster_upstream_rq_xx{"):
            labels, _, value = line.partition("} ")
            parts = dict(part.replace('"', "").split("=") for part in labels.partition("{")[2].split(","))
            if key := parse_cluster(parts["envoy_cluster_name"]):
                counted[key, parts["envoy_response_code_class"]] = int(value)
    return counted
