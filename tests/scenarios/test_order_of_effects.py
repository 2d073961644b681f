"""C11: up, processes are ready before a route leads to them; down, they go on until no route does any more.

The order inside a router, hops and shares, is tested where it is made (``adapters/traffic/test_envoy_order``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.ports import Address, RouteTable, Workload, WorkloadPhase
from tests.scenarios.killing import Killed, Killer
from tests.scenarios.test_graph import RELEASE, WRONG, GraphWorld
from tests.scenarios.world import World, prepare


def running(world: World) -> set[str]:
    return {key.version for key in world.workloads.running}


async def test_c11_a_process_that_a_router_may_still_reach_goes_on_running(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(4)
    assert world.share("next") == 1000
    world.router.broken = True
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(3)
    assert world.reasons()[-1] == "ROLLBACK Requested"
    assert world.router.tables["shop"].shares.share("next") == 1000
    assert running(world) == {"1", "2"}
    world.router.broken = False
    await world.run_for(3)
    assert world.share("next") == 0
    assert running(world) == {"1"}


async def test_a_single_pass_of_a_new_controller_starts_what_is_new_after_its_routes(world: World) -> None:
    world.add_candidate("2")
    # Each pass is the first one of its controller, as with `run --once`.
    for _ in range(3):
        world.restart()
        await world.run_for(1)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    assert running(world) == {"1", "2"}


# --- a graph, at every effect ---------------------------------------------------------------------------

BOTH = '  candidates: [{name: both, versions: {ocr: "2.0", sentiment: "2.0"}}]\n'
STORIES = {"promoted": (0.09, "PROMOTE EvidenceSufficient"), "rolled back": (0.4, "ROLLBACK GuardrailBreached")}
TICK = 5.0


class Order:
    """Looks at every effect on router and processes, and remembers what was out of order."""

    def __init__(self, world: GraphWorld) -> None:
        self._world = world
        self.wrong: list[str] = []
        self.seen: list[str] = []
        """What happened to the candidate's versions and share: ``start``, ``route``, ``unroute``, ``stop``."""
        self._up: set[str] = set()

    def wrap(self, kind: str, port: Any) -> Any:
        """See ``World.wrap``."""
        return _Ordered(self, kind, port) if kind in ("router", "workloads") else port

    async def routed(self, tables: Mapping[str, RouteTable]) -> None:
        """Before an apply: whoever gets requests is ready."""
        statuses = await self._world.workloads.observe()
        ready = {status.address for status in statuses.values() if status.phase is WorkloadPhase.READY}
        for table in tables.values():
            for variant, backends in table.backends.items():
                if table.shares.share(variant) and (late := set(backends.values()) - ready):
                    self.wrong.append(f"{variant} gets requests before {late} is ready")
            self._note("route", "unroute", is_up=table.shares.share("both") > 0)

    async def ensured(self, workloads: Sequence[Workload]) -> None:
        """Before an ensure: whoever a route leads to goes on running."""
        kept = {workload.key for workload in workloads}
        statuses = await self._world.workloads.observe()
        gone: dict[Address | None, str] = {
            status.address: f"{key.component} {key.version}" for key, status in statuses.items() if key not in kept
        }
        for table in self._world.router.tables.values():
            for variant, backends in table.backends.items():
                for address in backends.values():
                    if address in gone:
                        self.wrong.append(f"{gone[address]} stops while {variant} leads to it")
        self._note("start", "stop", is_up=any(key.version == "2.0" for key in kept))

    def _note(self, up: str, down: str, *, is_up: bool) -> None:
        if is_up != (up in self._up):
            self.seen.append(up if is_up else down)
            self._up ^= {up}


class _Ordered:
    def __init__(self, order: Order, kind: str, port: Any) -> None:
        self._order = order
        self._port = port
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        looks = {"apply": self._order.routed, "ensure": self._order.ensured}
        if name not in looks:
            return found

        async def looked_at(given: Any) -> None:
            await looks[name](given)
            await found(given)

        return looked_at


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two components that change together, proposed, and nobody has looked yet."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, template=RELEASE.replace("  strategy:", BOTH + "  strategy:"))
    return folder / "origin.git"


@pytest.fixture
def play(tmp_path: Path, origin: Path) -> Iterator[Callable[..., Any]]:
    """Plays a story to its end, perhaps over a death, and returns what was seen of the order."""
    made: list[GraphWorld] = []

    async def played(story: str, killer: Killer | None = None) -> Order:
        world = GraphWorld(tmp_path / str(len(made)), prepared=origin)
        made.append(world)
        rate, last = STORIES[story]
        world.users.error_rates = {**WRONG, "2.0+2.0": rate}
        order = Order(world)
        slow_start = iter((WorkloadPhase.STARTING,) * 2)

        def begin(wrap: Callable[[str, Any], Any]) -> None:
            world.wrap = wrap
            world.restart()

        async def to_the_end() -> None:
            for _ in range(60):
                if world.reasons()[-1:] == [last]:
                    break
                # The second of the two takes its time.
                world.workloads.set_phase("sentiment", "2.0", next(slow_start, WorkloadPhase.READY))
                await world.run_for(TICK, every=TICK)
            await world.run_for(2 * TICK, every=TICK)
            assert world.reasons()[-1] == last
            world.check()

        begin(order.wrap if killer is None else lambda kind, port: killer.wrap(kind, order.wrap(kind, port)))
        try:
            await to_the_end()
        except Killed:
            begin(order.wrap)
            await to_the_end()
        return order

    yield played
    for world in made:
        world.close()


async def test_c11_a_graph_is_ready_before_it_is_routed_and_routed_out_before_it_stops(
    play: Callable[..., Any],
) -> None:
    order = await play("rolled back")
    assert order.seen == ["start", "route", "unroute", "stop"]
    assert order.wrong == []


async def test_c11_what_is_promoted_goes_on_running_and_the_old_versions_stop_last(play: Callable[..., Any]) -> None:
    order = await play("promoted")
    assert order.seen == ["start", "route", "unroute"]
    assert order.wrong == []


async def test_c11_after_a_death_between_a_rollbacks_intent_and_its_route_no_process_stops_before_the_route(
    play: Callable[..., Any],
) -> None:
    whole = Killer(10_000)
    await play("rolled back", whole)
    route = whole.done.index("router.apply", whole.done.index("store.begin"))
    killer = Killer(route)
    order = await play("rolled back", killer)
    assert killer.dead and killer.done[-1] == "store.begin"
    assert order.wrong == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("story", sorted(STORIES))
async def test_c11_a_controller_that_dies_between_any_two_effects_leaves_them_in_order(
    play: Callable[..., Any], story: str, after: bool
) -> None:
    for place in count():
        killer = Killer(place, after=after)
        order = await play(story, killer)
        assert order.wrong == [], f"killed at effect {place} ({killer.done[-1:]})"
        if not killer.dead:
            assert place > 20
            return
