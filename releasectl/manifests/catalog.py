"""Every manifest of a repository at one commit, and how they belong together.

Reading a file (``load.load_file``) and joining the results are separate pure steps: the caller keeps the
results of files by blob and builds a new catalog from old and new ones. Nothing a file holds can hurt a
release that does not refer to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from releasectl.domain.base import digest_of
from releasectl.domain.environment import Environment
from releasectl.domain.metric import BUILT_IN, Metric, MetricSet
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.release import Release
from releasectl.domain.subscription import Subscription
from releasectl.errors import ManifestError, Problem
from releasectl.manifests import crosscheck, hosting, loose, policyrules, policytests, shipped, subscriptions
from releasectl.manifests.crosscheck import Given, at
from releasectl.manifests.load import Document, FileResult, load_file
from releasectl.manifests.measures import bandit_tolerance_has_no_unit, check_measures
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.segments import check_segments, segments_cannot_be_read

M = TypeVar("M", Environment, PromotionPolicy, MetricSet, Subscription)


@dataclass(frozen=True)
class Resolved:
    """A release and all that it refers to, valid as a whole."""

    release: Release
    policy: PromotionPolicy
    environment: Environment
    metrics: Mapping[str, Metric]
    """The metrics of the policy's guardrails and objectives, by name."""
    path: str
    """File of the release."""
    policy_path: str
    """File of the policy; begins with ``releasectl:`` for a shipped one."""
    generation: str
    """Digest of the canonical form of all of it."""
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Remembered:
    inputs: tuple[Document, ...]
    resolved: Resolved


class Catalog:
    """The manifests of a repository. Resolving is lazy and remembered; the catalog itself does not change."""

    def __init__(self, files: Mapping[str, FileResult], remembered: Mapping[str, _Remembered]) -> None:
        self.files = files
        self._index: defaultdict[tuple[str, str], list[Document]] = defaultdict(list)
        self._metrics: defaultdict[str, list[tuple[Document, int]]] = defaultdict(list)
        self._routes: defaultdict[crosscheck.RouteKey, list[Document]] = defaultdict(list)
        self._broken = tuple(result for result in files.values() if result.broken)
        for result in files.values():
            for document in result.documents:
                self._add(document)
        self._remembered = {name: kept for name, kept in remembered.items() if ("Release", name) in self._index}

    @classmethod
    def build(cls, files: Mapping[str, FileResult | bytes], previous: Catalog | None = None) -> Catalog:
        """Join files by path. What ``previous`` resolved from the same, unchanged documents is kept."""
        results = {
            path: load_file(path, content) if isinstance(content, bytes) else content
            for path, content in sorted(files.items())
        }
        return cls(results, previous._remembered if previous else {})

    @property
    def releases(self) -> tuple[str, ...]:
        """Names of all releases declared, valid or not."""
        return tuple(sorted(name for kind, name in self._index if kind == "Release" and name))

    def is_gone(self, release: str, last_path: str) -> bool:
        """Whether a release was taken out of the repository, and is not only hidden by a file that is broken.

        A wrong yes would end its traffic, so anything unreadable that might hold it says no.
        """
        if self._index.get(("Release", release)):
            return False
        for result in self._broken:
            if result.file == last_path or (result.mentions is not None and release in result.mentions):
                return False
        last = self.files.get(last_path)
        return not any(d.value is None and d.name in ("", release) for d in (last.documents if last else ()))

    def resolve(self, release: str) -> Resolved:
        """The release with everything it refers to; raises ManifestError with every problem that concerns it."""
        document = self._release(release)
        given, inputs, problems = self._gather(document)
        collisions = list(self._collisions(document))
        known = self._remembered.get(release)
        if known and not problems and not collisions and _same(known.inputs, inputs):
            return known.resolved
        problems = [*problems, *collisions, *crosscheck.check(given), *bandit_tolerance_has_no_unit(given)]
        problems += segments_cannot_be_read(given)
        if any(problem.severity == "error" for problem in problems):
            raise ManifestError(tuple(set(problems)))
        if given.policy is None or given.environment is None:
            raise AssertionError("a missing reference is a problem")
        resolved = _joined(given, inputs, tuple(sorted(set(problems))))
        self._remembered[release] = _Remembered(inputs, resolved)
        return resolved

    def policy(self, name: str) -> tuple[PromotionPolicy, Mapping[str, Metric]]:
        """A policy of the repository, or a shipped one, with its metrics; ManifestError with what is wrong."""
        found = self._index.get(("PromotionPolicy", name)) or [
            document for shipped_name, document in shipped.policies().items() if shipped_name == name
        ]
        problems = [problem for document in found for problem in self._own_problems(document)] + self._doubles(found)
        if not found:
            names = [n for k, n in self._index if k == "PromotionPolicy" and n] + list(shipped.policies())
            problems = [Problem("", 0, 0, "", f"no policy {name!r}", suggestion(name, names), "unknown-name")]
        metrics: dict[str, Metric] = {}
        for document in found:
            problems += self._policy_problems(document)
            value = _value(document, PromotionPolicy)
            for metric in policyrules.metric_names(value) if value else ():
                problems += self._metric_problems(metric)
                if known := self._metric(metric):
                    metrics[metric] = known
        policy = _value(found[0], PromotionPolicy) if found else None
        if problems or policy is None:
            raise ManifestError(tuple(set(problems)))
        return policy, metrics

    @property
    def policy_tests(self) -> tuple[Document, ...]:
        """Every PolicyTest, valid or not, in file order."""
        return tuple(d for (kind, _), found in self._index.items() if kind == "PolicyTest" for d in found)

    def policy_test_problems(self, document: Document) -> list[Problem]:
        """What a policy test of the right shape names and is not there."""
        policies = {name for kind, name in self._index if kind == "PromotionPolicy"} | set(shipped.policies())
        metrics = self._metrics.keys() | BUILT_IN.keys()
        return list(policytests.check(document, releases=self.releases, policies=policies, metrics=metrics))

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Every subscription of which nothing is wrong, by name."""
        documents = self._sound("Subscription", Subscription)
        sound = [d for d in documents if not self._subscription_problems(d)]
        values = [value for document in sound if (value := _value(document, Subscription))]
        return tuple(sorted(values, key=lambda subscription: subscription.name))

    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong in the repository, warnings included, in file order."""
        found = {problem for result in self.files.values() for problem in result.problems}
        for (kind, name), documents in self._index.items():
            if kind in ("Environment", "PromotionPolicy", "MetricSet", "Subscription") and name:
                found.update(self._doubles(documents))
        for document in self._sound("PromotionPolicy", PromotionPolicy):
            found.update(self._policy_problems(document))
        for document in self._sound("Environment", Environment):
            found.update(hosting.check(document))
        for document in self._sound("Subscription", Subscription):
            found.update(self._subscription_problems(document))
            found.update(self._unheard(document))
        for document in self.policy_tests:
            found.update(self.policy_test_problems(document))
        for name in self._metrics:
            found.update(self._metric_problems(name))
        for documents in self._index.values():
            found.update(problem for document in documents for problem in self._loose_problems(document))
        for name in self.releases:
            try:
                found.update(self.resolve(name).warnings)
            except ManifestError as error:
                found.update(error.problems)
        return tuple(sorted(found))

    # --- building -----------------------------------------------------------------------------------------

    def _add(self, document: Document) -> None:
        self._index[document.kind, document.name].append(document)
        value = document.value
        if isinstance(value, MetricSet):
            for index, metric in enumerate(value.spec.metrics):
                self._metrics[metric.name].append((document, index))
        elif document.kind == "MetricSet":
            # What names one of them is told what is wrong with it, not that there is none.
            for index, name in loose.metrics_of_set(document):
                self._metrics[name].append((document, index))
        elif isinstance(value, Release):
            for key in crosscheck.route_keys(value):
                self._routes[key].append(document)

    # --- one release --------------------------------------------------------------------------------------

    def _release(self, name: str) -> Document:
        documents = self._index.get(("Release", name), [])
        problems = [problem for document in documents for problem in self._own_problems(document)]
        problems += self._doubles(documents)
        if not documents:
            hidden = [r.broken for r in self._broken if r.broken and r.mentions is not None and name in r.mentions]
            missing = Problem("", 0, 0, "", f"no release {name!r}", suggestion(name, self.releases), "unknown-name")
            problems = hidden or [missing]
        if problems:
            raise ManifestError(tuple(set(problems)))
        return documents[0]

    def _own_problems(self, document: Document) -> list[Problem]:
        broken = self.files[document.file].broken if document.file in self.files else None
        return [*document.problems, *hosting.check(document), *([broken] if broken else ())]

    def _gather(self, document: Document) -> tuple[Given, tuple[Document, ...], list[Problem]]:
        release = document.value
        if not isinstance(release, Release):
            raise AssertionError("a release without problems has a value")
        problems: list[Problem] = []
        environment = self._referred(document, "Environment", "environment", release.spec.environment, problems)
        policy = self._referred(document, "PromotionPolicy", "policy", release.spec.policy, problems)
        inputs = [document, *(d for d in (environment, policy) if d)]
        metrics: dict[str, Metric] = {}
        if policy and isinstance(policy.value, PromotionPolicy):
            problems += self._policy_problems(policy)
            for name in policyrules.metric_names(policy.value):
                problems += self._metric_problems(name)
                inputs += [declared for declared, _ in self._metrics.get(name, [])]
                if metric := self._metric(name):
                    metrics[name] = metric
        given = Given(
            document,
            release,
            _value(environment, Environment),
            _value(policy, PromotionPolicy),
            metrics,
            policy.file if policy else "",
        )
        return given, tuple(inputs), problems

    def _referred(
        self, document: Document, kind: str, field: str, name: str, problems: list[Problem]
    ) -> Document | None:
        """The document that a field names. What is wrong with it is added to the problems."""
        found = self._index.get((kind, name), [])
        if not found and kind == "PromotionPolicy" and name in shipped.policies():
            return shipped.policies()[name]
        wrong = [problem for other in found for problem in self._own_problems(other)] + self._doubles(found)
        # A warning of another document is told there, and stops nothing here.
        wrong = [problem for problem in wrong if problem.severity == "error"]
        if found and not wrong:
            return found[0]
        if found:
            message, hint, code = f"{field} {name!r} is invalid", f"see {found[0].file}", "invalid-reference"
        else:
            names = [n for k, n in self._index if k == kind and n]
            names += list(shipped.policies()) if kind == "PromotionPolicy" else []
            message, hint, code = f"no {field} {name!r}", suggestion(name, names), "unknown-name"
            wrong = [r.broken for r in self._broken if r.broken and r.mentions is not None and name in r.mentions]
        problems += [at(document, ("spec", field), message, hint, code), *wrong]
        return None

    # --- rules that several documents make together -------------------------------------------------------

    def _doubles(self, documents: list[Document]) -> list[Problem]:
        if len(documents) < 2:
            return []
        found = []
        for document in documents:
            others = sorted(f"{o.file}:{o.root.line}" for o in documents if o is not document)
            message = f"{document.kind} {document.name!r} is declared more than once"
            hint = f"also in {', '.join(others)}"
            found.append(at(document, ("metadata", "name"), message, hint, "duplicate-name"))
        return found

    def _collisions(self, document: Document) -> Iterator[Problem]:
        if not isinstance(document.value, Release):
            return
        for key in crosscheck.route_keys(document.value):
            for other in self._routes[key]:
                if other.name != document.name:
                    message = f"release {other.name!r} in {other.file} takes the same requests: {key.shown}"
                    path = ("spec", "route") if document.value.spec.route.to_data() else ("metadata", "name")
                    yield at(document, path, message, "give one of them another prefix or host", "route-collision")

    def _subscription_problems(self, document: Document) -> list[Problem]:
        same = self._index["Subscription", document.name]
        return [*subscriptions.check(document, self._declared, self.releases), *self._doubles(same)]

    def _unheard(self, document: Document) -> Iterator[Problem]:
        subscription = _value(document, Subscription)
        try:
            environment = self.resolve(subscription.spec.release).environment if subscription else None
        except ManifestError:
            # What is wrong with the release is told where it is.
            return
        if environment:
            yield from subscriptions.unheard(document, environment)

    def _declared(self, release: str) -> list[Document]:
        return self._index.get(("Release", release), [])

    def _loose_problems(self, document: Document) -> list[Problem]:
        """References of a document of the wrong shape that lead nowhere."""
        found: list[Problem] = []
        if document.value is None and document.kind == "Release":
            for kind, field in (("Environment", "environment"), ("PromotionPolicy", "policy")):
                if name := loose.name_at(document, "spec", field):
                    self._referred(document, kind, field, name, found)
        if document.value is None and document.kind == "PromotionPolicy":
            known = self._metrics.keys() | BUILT_IN.keys()
            hidden = {name for result in self._broken for name in result.mentions or ()}
            for path, name in loose.metrics_of_policy(document):
                if name not in known | hidden:
                    found.append(policyrules.no_metric(document, path, name, known))
        return found

    def _policy_problems(self, document: Document) -> list[Problem]:
        found = list(policyrules.check_policy(document, self._metrics.keys() | BUILT_IN.keys()))
        return [*found, *check_measures(document, self._metric), *check_segments(document, self._metric)]

    def _metric_problems(self, name: str) -> list[Problem]:
        declared = self._metrics.get(name, [])
        found = [p for document, index in declared for p in policyrules.check_metric(document, index)]
        found += [p for document, _ in declared for p in self._own_problems(document)]
        if len(declared) > 1:
            for document, index in declared:
                others = ", ".join(sorted({d.file for d, i in declared if (d, i) != (document, index)}))
                path = ("spec", "metrics", index, "name")
                message = f"the metric {name!r} is declared more than once"
                found.append(at(document, path, message, f"also in {others}", "duplicate-name"))
        return found

    def _metric(self, name: str) -> Metric | None:
        for document, index in self._metrics.get(name, []):
            if isinstance(document.value, MetricSet):
                return document.value.spec.metrics[index]
        return BUILT_IN.get(name)

    def _sound(self, kind: str, model: type[M]) -> list[Document]:
        return [d for (k, _), found in self._index.items() if k == kind for d in found if isinstance(d.value, model)]


def _value(document: Document | None, model: type[M]) -> M | None:
    return document.value if document and isinstance(document.value, model) else None


def _same(old: tuple[Document, ...], new: tuple[Document, ...]) -> bool:
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def _joined(given: Given, inputs: tuple[Document, ...], warnings: tuple[Problem, ...]) -> Resolved:
    if given.policy is None or given.environment is None:
        raise AssertionError("a missing reference is a problem")
    return Resolved(
        given.release,
        given.policy,
        given.environment,
        given.metrics,
        given.document.file,
        given.policy_path,
        generation_of(given.release, given.policy, given.environment, given.metrics),
        warnings,
    )


def generation_of(
    release: Release, policy: PromotionPolicy, environment: Environment, metrics: Mapping[str, Metric]
) -> str:
    """Digest of the canonical form of a release and all that it refers to."""
    return digest_of(
        {
            "release": release.to_data(),
            "policy": policy.to_data(),
            "environment": environment.to_data(),
            "metrics": {name: metric.to_data() for name, metric in metrics.items()},
        }
    )
