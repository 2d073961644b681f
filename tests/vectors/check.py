"""Check one case of any shape."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from releasectl import stats
from tests.vectors import calls, compare, stochastic

_POSTERIOR_TOLERANCE = compare.Tolerance(rtol=0.0, atol=1e-9)


class Outcome(Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reference:
    """A program that is known to be less exact than we are, and how to repeat its arithmetic."""

    parameter: str
    value: object
    near: compare.Tolerance


REFERENCES = (
    # gsdesign on Jennison & Turnbull's grid with r = 64: sparse in the tail. It puts the second look of 20
    # under O'Brien-Fleming type spending at 6.087914, where 30-digit arithmetic gives 6.08789287481.
    Reference("grid", 64, compare.Tolerance(rtol=1e-5, atol=0.0)),
    # statsmodels' constrained estimate for a difference is not the maximum of the likelihood: its cubic
    # has events where trials belong. Direct maximisation for 0/50, 3/500 at 0.01 gives z = -0.90060, not -0.90158.
    Reference("cubic", "statsmodels", compare.Tolerance(rtol=0.05, atol=0.01)),
)


@dataclass(frozen=True)
class Checked:
    """A case, what became of it, and why it did not pass."""

    id: str
    outcome: Outcome
    details: tuple[str, ...] = ()


def cases_in(document: Any) -> Iterator[dict[str, Any]]:
    """Every case of a file, values under ``exact`` included."""
    cases = document.get("cases") if isinstance(document, dict) else document
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError("a file is an object with the list `cases`, each of them an object")
    for name, value in document.get("exact", {}).items() if isinstance(document, dict) else ():
        yield {"id": f"exact:{name}", "exact": name, "expect": value}
    yield from cases


def check(case: Mapping[str, Any]) -> Checked:
    """Run one case; an exception is a failure with its text."""
    identity = str(case.get("id", case.get("fn", "?")))
    try:
        found = _differences(case)
    except Exception as error:
        return Checked(identity, Outcome.FAILED, (f"{type(error).__name__}: {error}",))
    if found is None:
        return Checked(identity, Outcome.UNKNOWN, (f"nothing called {case.get('fn', identity)!r}",))
    return Checked(identity, Outcome.FAILED if found else Outcome.PASSED, tuple(found))


def _differences(case: Mapping[str, Any]) -> list[str] | None:
    if "fn" in case:
        return _function_differences(case)
    if "posterior" in case:
        return _posterior_differences(case)
    if "exact" in case:
        return stochastic.exact_differences(case["exact"], case["expect"])
    return stochastic.differences(case)


def _function_differences(case: Mapping[str, Any]) -> list[str] | None:
    found = calls.find(case["fn"])
    if found is None:
        return None
    function, carried = found
    args = calls.prepare({**case.get("args", {}), **carried})
    ticks = case.get("at", args.pop("at", None))
    answer = calls.call(function, args)
    if ticks is not None:
        answer = _at(answer, ticks, case["expect"])
    found_here = compare.differences(answer, case["expect"], compare.tolerance_of(case))
    for mode in REFERENCES:
        if found_here and mode.parameter in inspect.signature(function).parameters:
            return _as_reference(mode, function, args, case)
    return found_here


def _as_reference(mode: Reference, function: Callable[..., Any], args: Any, case: Mapping[str, Any]) -> list[str]:
    """The reference's own arithmetic must give its numbers, and ours must be as near as its error."""
    repeated = calls.call(function, {**args, mode.parameter: mode.value})
    return [
        *compare.differences(repeated, case["expect"], compare.tolerance_of(case)),
        *compare.differences(calls.call(function, args), case["expect"], mode.near),
    ]


def _at(answer: Any, ticks: Any, expected: Any) -> Any:
    """The running answer after the given ticks, counted from 1."""
    if isinstance(expected, Mapping):
        return {key: _at(compare.member(answer, key), ticks, None) for key in expected}
    if isinstance(answer, list | tuple) and len(answer) == 2 and np.ndim(answer[0]) == 1:
        return [_at(part, ticks, None) for part in answer]
    running = np.asarray(compare.as_list(answer) if not isinstance(answer, np.ndarray) else answer)
    return running[..., np.asarray(ticks) - 1]


def _posterior_differences(case: Mapping[str, Any]) -> list[str]:
    answer = stats.prob_best(posterior=case["posterior"], params=case["params"])
    parts: dict[str, Any] = {"p_best": answer.p_best, "e_max": answer.e_max, "expected_loss": answer.expected_loss}
    expected = {key: case[key] for key in parts if key in case}
    for key in case:
        share = re.fullmatch(r"top_two(?:_(half|[\d.]+))?", key)
        if share:
            beta = 0.5 if share[1] in (None, "half") else float(share[1])
            parts[key], expected[key] = stats.top_two_shares(answer.p_best, beta=beta), case[key]
    return compare.differences(parts, expected, _POSTERIOR_TOLERANCE)
