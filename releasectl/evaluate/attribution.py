"""Harm at the entry, traced to a component of the graph by what each one did by itself. Pure.

The intervals are those of ``stats.difference_interval``, at the policy's alpha divided by the number of components, so
that all of them hold together. They describe; what rolls back is the guardrail at the entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from releasectl import stats
from releasectl.domain.attribution import Attribution, Movement
from releasectl.domain.policy import PolicySpec
from releasectl.evaluate.comparison import TUNED_RATE, TUNED_TICKS, finite
from releasectl.evaluate.components import Folds, Graph, State, fold_key


def attribute(folds: Folds, metric: str, candidate: str, policy: PolicySpec, graph: Graph) -> Attribution | None:
    """What the components' own numbers say about a harm at the entry; None where they were not counted."""
    states = {name: folds.get(fold_key(metric, name, candidate)) for name in graph.components}
    counted = {name: state for name, state in states.items() if state is not None}
    if not counted:
        return None
    alpha = policy.alpha / len(counted)
    movements = tuple(
        Movement(
            component=name,
            version=graph.variants[candidate].versions[name].name,
            changed=name in graph.changed(candidate),
            stable_bad=state["stable"][0],
            stable_trials=state["stable"][1],
            tried_bad=state["tried"][0],
            tried_trials=state["tried"][1],
            **_limits(state, alpha, policy.min_samples),
        )
        for name, state in counted.items()
    )
    moved = sorted((one for one in movements if one.lower is not None and one.lower > 0), key=_weight, reverse=True)
    changed = graph.changed(candidate)
    return Attribution(
        component=moved[0].component if moved else None,
        sentence=_shown(moved, changed, graph) if moved else _no_single_one(candidate, graph),
        movements=movements,
        changed=changed,
        other_neighbours=_other_neighbours(changed, graph),
    )


def _limits(state: State, alpha: float, samples: int) -> dict[str, float | None]:
    interval = stats.difference_interval(
        stats.DifferenceState.from_json(dict(state["diff"])),
        alpha=alpha,
        v_opt=float(stats.expected_variance(ticks=TUNED_TICKS, n_b=4 * samples, n_c=samples, rate=TUNED_RATE)),
    )
    # The statistics compare good answers; harm is the other direction.
    return {
        "estimate": finite(-float(interval.estimate)),
        "lower": finite(-float(interval.high)),
        "upper": finite(-float(interval.low)),
    }


def _weight(movement: Movement) -> float:
    """Bad answers more than stable would have given: a component that is asked more often counts for more."""
    return (movement.estimate or 0.0) * movement.tried_trials


def _other_neighbours(changed: Sequence[str], graph: Graph) -> tuple[str, ...]:
    return tuple(
        name
        for name in graph.components
        if name not in changed
        and any(other in graph.reached_from(name) or name in graph.reached_from(other) for other in changed)
    )


# --- wording --------------------------------------------------------------------------------------------


def _shown(moved: Sequence[Movement], changed: Sequence[str], graph: Graph) -> str:
    first, *others = moved
    also = f"; {', '.join(_named(one) for one in others)} moved as well" if others else ""
    if first.changed:
        return f"it begins in {_named(first)}: {_numbers(first)}{also}"
    asked = [name for name in changed if name in graph.reached_from(first.component)]
    asking = [name for name in changed if first.component in graph.reached_from(name)]
    if asked:
        why = f"what it gets from {', '.join(asked)} did"
    elif asking:
        why = f"what it is asked by {', '.join(asking)} did"
    else:
        why = f"{', '.join(changed)} did"
    return f"it shows in {_named(first)}: {_numbers(first)}; that version did not change, {why}{also}"


def _no_single_one(candidate: str, graph: Graph) -> str:
    changed = graph.changed(candidate)
    versions = graph.variants[candidate].versions
    names = ", ".join(f"{name} {versions[name].name}" for name in changed)
    others = ", ".join(_other_neighbours(changed, graph))
    meet = f"; {others} did not and meet{'' if ',' in others else 's'} other neighbours" if others else ""
    return f"no single component explains it by its own numbers: {names} changed{meet}"


def _named(movement: Movement) -> str:
    return f"{movement.component} {movement.version}"


def _numbers(movement: Movement) -> str:
    tried, stable = (
        f"{100 * bad / trials:.3g} % of {trials}" if trials else "nothing"
        for bad, trials in (
            (movement.tried_bad, movement.tried_trials),
            (movement.stable_bad, movement.stable_trials),
        )
    )
    told = f"by itself {tried} against {stable}"
    if movement.estimate is None or movement.lower is None or movement.upper is None:
        return told
    low, high = 100 * movement.lower, 100 * movement.upper
    return f"{told}, difference {100 * movement.estimate:+.3g} points (interval {low:+.3g} to {high:+.3g})"
