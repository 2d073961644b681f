"""Whether an answer agrees with what a vector expects.

The expectation decides the shape: a mapping is compared key by key (keys it does not name are free), a
list element by element, a number within ``atol + rtol * |expected|``. Infinities and NaN may be strings.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_ROUND_OFF_OF_ZERO = 1e-14
_INFINITE = {"inf": math.inf, "+inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}
_WORDS = {**_INFINITE, "nan": math.nan}
_STATISTICS = ("U", "D", "t", "z", "Z", "stat", "statistic", "chi2", "W", "H")
_SYNONYMS = {
    "p": ("p_value", "pvalue"),
    "p_value": ("p",),
    "pvalue": ("p_value", "p"),
    **dict.fromkeys(_STATISTICS, ("statistic", "stat", "value")),
    "estimate": ("value", "ratio", "mean"),
    "value": ("estimate", "statistic"),
    "lower": ("low", "lo"),
    "upper": ("high", "hi"),
    "se": ("standard_error", "std_error"),
    "standard_error": ("se",),
    "adj": ("adjusted", "p_adjusted"),
    "reject": ("rejected",),
    "df": ("dof", "degrees_of_freedom"),
    "halfwidth": ("half_width", "radius"),
}
_VALUE_NAMES = ("value", "estimate", "statistic", "log_e", "distance", "p_value")


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be: ``atol + rtol * |expected|``."""

    rtol: float
    atol: float


def tolerance_of(case: Mapping[str, Any]) -> Tolerance:
    """The case's own tolerance; a grid-based answer may be one grid step off, as its note says."""
    given_rtol, given_atol = case.get("rtol"), case.get("atol")
    rtol = float(given_rtol if given_rtol is not None else (0.0 if given_atol is not None else 1e-9))
    step = re.search(r"grid step\s*\(1/(\d+)\)", str(case.get("note", "")))
    grid = 1.000001 / int(step[1]) if step else 0.0
    return Tolerance(rtol=rtol, atol=max(float(given_atol or 0.0), grid))


def differences(actual: Any, expected: Any, within: Tolerance, where: str = "") -> list[str]:
    """One line for each place where the answer and the expectation differ; empty when they agree."""
    if isinstance(expected, Mapping):
        return _mapping_differences(actual, expected, within, where)
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return _sequence_differences(actual, expected, within, where)
    found = scalar(actual)
    if _agree(found, expected, within):
        return []
    return [f"{where or 'value'}: got {found!r}, expected {expected!r}"]


def member(holder: Any, key: str) -> Any:
    """The part of an answer called ``key`` or by one of its usual other names."""
    for name in (key, *_SYNONYMS.get(key, ()), *([key.lower()] if key != key.lower() else [])):
        if isinstance(holder, Mapping):
            if name in holder:
                return holder[name]
        elif hasattr(holder, name):
            return getattr(holder, name)
    raise KeyError(key)


def scalar(answer: Any) -> Any:
    """The one number, flag or text in an answer."""
    if isinstance(answer, np.ndarray | np.generic):
        return answer.item() if answer.size == 1 else answer
    if answer is None or isinstance(answer, bool | int | float | str):
        return answer
    for name in _VALUE_NAMES:
        if hasattr(answer, name):
            return scalar(getattr(answer, name))
    if isinstance(answer, Sequence) and len(answer) == 1:
        return scalar(answer[0])
    return answer


def as_list(answer: Any) -> list[Any]:
    """The elements of an answer; an interval is its two ends."""
    if isinstance(answer, np.ndarray):
        return list(answer) if answer.ndim else [answer.item()]
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return list(answer)
    try:
        return [member(answer, "lower"), member(answer, "upper")]
    except KeyError:
        pass
    for name in ("bounds", "values", "shares", "basis_points", "rejected", "log_e"):
        if hasattr(answer, name):
            return as_list(getattr(answer, name))
    return list(answer)


def _mapping_differences(actual: Any, expected: Mapping[str, Any], within: Tolerance, where: str) -> list[str]:
    found: list[str] = []
    for key, value in expected.items():
        path = f"{where}.{key}" if where else key
        try:
            part = member(actual, key)
        except KeyError:
            if len(expected) == 1 and isinstance(scalar(actual), int | float):
                part = actual
            else:
                found.append(f"{path}: missing from {type(actual).__name__}")
                continue
        found += differences(part, value, within, path)
    return found


def _sequence_differences(actual: Any, expected: Sequence[Any], within: Tolerance, where: str) -> list[str]:
    items = as_list(actual)
    if len(items) != len(expected) and items and all(isinstance(item, bool | np.bool_) for item in items):
        items = [index for index, chosen in enumerate(items) if chosen]  # a mask, where indices are expected
    if len(items) != len(expected):
        return [f"{where or 'value'}: {len(items)} elements, expected {len(expected)}"]
    found: list[str] = []
    for index, (item, value) in enumerate(zip(items, expected, strict=True)):
        found += differences(item, value, within, f"{where}[{index}]")
    return found


def _agree(actual: Any, expected: Any, within: Tolerance) -> bool:
    if expected is None:
        return actual is None or (isinstance(actual, float) and math.isnan(actual))
    if isinstance(expected, bool):
        return isinstance(actual, bool | np.bool_) and bool(actual) is expected
    if isinstance(expected, str):
        number = _number(expected)
        return actual == expected if number is None else _close(actual, number, within)
    return _close(actual, float(expected), within)


def _number(text: str) -> float | None:
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    try:
        return float(text)
    except ValueError:
        return None


def _close(actual: Any, expected: float, within: Tolerance) -> bool:
    if actual is None:
        return math.isnan(expected)
    if isinstance(actual, str) or not isinstance(actual, int | float | np.number):
        return False
    value = float(actual)
    if math.isnan(expected) or math.isinf(expected):
        return value == expected or (math.isnan(value) and math.isnan(expected))
    if abs(expected) < _ROUND_OFF_OF_ZERO and abs(value) < _ROUND_OFF_OF_ZERO:
        return True  # an expectation such as -2e-16 is the other program's rounding of zero
    return abs(value - expected) <= within.atol + within.rtol * abs(expected)
