"""A bandit stage without a world around it: the program's own evaluate() and decide(), simulated outcomes.

Time moves by one update at a time. Requests of an update are split at random by the shares in force; each
outcome is known ``delay`` updates later and is credited to the arm and the epoch of its request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Input
from releasectl.domain.decision import Allocation, Decision, EffectiveState
from releasectl.domain.observation import Block, Counts, Health, Observation, Reading, ReadState, VariantHealth
from releasectl.domain.release import STABLE, Release
from releasectl.evaluate.evaluation import Evaluation, evaluate
from releasectl.manifests.catalog import Catalog

UPDATE = timedelta(minutes=10)
START = datetime(2026, 1, 1, tzinfo=UTC)

MANIFESTS = {
    "releases/shop.yaml": """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components:
    - name: app
      versions: [VERSIONS]
  stable: {app: "0"}
  candidates: [CANDIDATES]
  strategy: [{type: bandit, objective: clicks, every: 10m, STAGE}]
  policy: careful
""",
    "policies/careful.yaml": """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: careful}
spec:
  guardrails: [{metric: error-rate, margin: {points: 2}}]
  objectives: [{metric: clicks, goal: superior}]
  minSamples: 200
  maxDuration: 7d
  whenInconclusive: hold
""",
    "environments/local.yaml": """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {providers: [{type: envoy}, {type: log}]}
""",
    "metrics/clicks.yaml": """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: clicks}
spec: {metrics: [{name: clicks, direction: higher, query: {log: {outcome: click}}}]}
""",
}
NAMES = (STABLE, "second", "third", "fourth")


def desired_of(arms: int, stage: str) -> Desired:
    """What git would ask for: a bandit over this many arms, with these fields of the stage."""
    versions = ", ".join(f'{{name: "{i}", run: {{command: [app, "{i}"]}}}}' for i in range(arms))
    candidates = ", ".join(f'{{name: {NAMES[i]}, versions: {{app: "{i}"}}}}' for i in range(1, arms))
    text = {
        path: content.replace("VERSIONS", versions).replace("CANDIDATES", candidates).replace("STAGE", stage)
        for path, content in MANIFESTS.items()
    }
    found = Catalog.build({path: content.encode() for path, content in text.items()}).resolve("shop")
    return Desired(
        release=found.release,
        policy=found.policy,
        environment=found.environment,
        metrics=found.metrics,
        path=found.path,
        generation=found.generation,
        revision="",
    )


@dataclass
class Trial:
    """One release in a bandit stage. ``late[k]`` are counts, by epoch and arm, that become known k updates from now."""

    desired: Desired
    seed: int
    requests: int = 1000
    mean_delay: float = 0.0
    """Mean of the geometric delay in updates; 0: known at once."""
    error_rates: Mapping[str, float] | None = None
    """Errors are counted at once. None: no metric is judged, so that nothing is proven and the stage goes on."""
    late: dict[int, dict[tuple[int, str], list[int]]] = field(default_factory=lambda: defaultdict(dict))
    shown: list[Block] = field(default_factory=list)
    """Requests of each update with their outcomes, as if these had been known at once."""
    decisions: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.now, self.update, self.folded = START, 0, {}
        self.evaluation = Evaluation()
        release: Release = self.desired.release
        self.state = self._decided(None)
        while self.state.progress is None:
            self.state = self._decided(self.state)
        self.served_since = self.now
        self.arms = (STABLE, *(candidate.name for candidate in release.spec.candidates))

    @property
    def shares(self) -> Allocation:
        return self.state.allocation

    def step(self, rates: Sequence[float]) -> Decision:
        """One update's requests, the outcomes that are known by its end, and the decision that follows."""
        shown = self._requests()
        self._outcomes(shown, rates)
        self.now += UPDATE
        self.update += 1
        readings = {"clicks": self._reading(self.late.pop(self.update, {})), "error-rate": self._errors(shown)}
        return self._decide(Observation(readings=readings))

    def drain(self) -> None:
        """Let everything that is late become known, without deciding anything."""
        for update in sorted(self.late):
            self.now += UPDATE
            readings = {"clicks": self._reading(self.late.pop(update)), "error-rate": self._reading({})}
            self._evaluate(Observation(readings=readings))

    # --- parts ------------------------------------------------------------------------------------------

    def _requests(self) -> dict[str, int]:
        chances = [self.shares.share(arm) / 10_000 for arm in self.arms]
        return dict(zip(self.arms, self.rng.multinomial(self.requests, chances).tolist(), strict=True))

    def _outcomes(self, shown: Mapping[str, int], rates: Sequence[float]) -> None:
        earned = {}
        for (arm, n), rate in zip(shown.items(), rates, strict=True):
            clicks = self.rng.random(n) < rate
            earned[arm] = Counts(trials=n, events=int(np.count_nonzero(clicks)))
            delays = self.rng.geometric(1 / self.mean_delay, n) if self.mean_delay else np.ones(n, dtype=int)
            for delay in np.unique(delays).tolist():
                known = self.late[self.update + delay].setdefault((self.state.epoch, arm), [0, 0])
                known[0] += int(np.count_nonzero(delays == delay))
                known[1] += int(np.count_nonzero(clicks[delays == delay]))
        block = Block(start_at=self.now, end_at=self.now + UPDATE, epoch=self.state.epoch, arms=earned)
        self.shown.append(block)

    def _errors(self, shown: Mapping[str, int]) -> Reading:
        if self.error_rates is None:
            return self._reading({})
        counts = {
            (self.state.epoch, arm): [n, int(self.rng.binomial(n, self.error_rates[arm]))] for arm, n in shown.items()
        }
        return self._reading(counts)

    def _reading(self, counts: Mapping[tuple[int, str], Sequence[int]]) -> Reading:
        epochs: dict[int, dict[str, Counts]] = defaultdict(dict)
        for (epoch, arm), (trials, events) in sorted(counts.items()):
            if arm in self.state.variants and trials:
                epochs[epoch][arm] = Counts(trials=trials, events=events)
        blocks = [
            Block(start_at=self.now - UPDATE, end_at=self.now, epoch=epoch, arms=arms) for epoch, arms in epochs.items()
        ]
        return Reading(state=ReadState.OK, blocks=tuple(blocks))

    def _evaluate(self, observed: Observation) -> None:
        policy = self.desired.policy.spec
        if self.error_rates is None:
            policy = policy.model_copy(update={"guardrails": (), "objectives": ()})
        self.evaluation = evaluate(
            policy=policy,
            metrics=self.desired.metrics,
            candidates=self.state.candidates,
            folds=self.folded,
            observed=observed,
            epoch=self.state.epoch,
            stage=self.desired.stage(self.state),
        )
        self.folded = dict(self.evaluation.folds)

    def _decide(self, observed: Observation) -> Decision:
        self._evaluate(observed)
        decision = self._made(self.state)
        if decision.records and decision.state:
            if decision.state.epoch != self.state.epoch:
                self.served_since = self.now
            self.state = decision.state
            self.decisions.append(decision)
        return decision

    def _decided(self, state: EffectiveState | None) -> EffectiveState:
        found = self._made(state).state
        if found is None:
            raise AssertionError("everything is ready, so a decision has a state")
        return found

    def _made(self, state: EffectiveState | None) -> Decision:
        names = (STABLE, *(candidate.name for candidate in self.desired.release.spec.candidates))
        seen = Observation(
            served=state.allocation if state else None,
            served_epoch=state.epoch if state else None,
            served_since=getattr(self, "served_since", self.now),
            health={name: VariantHealth(health=Health.READY) for name in names},
        )
        return decide(Input(desired=self.desired, state=state, observed=seen, now=self.now, evaluation=self.evaluation))
