"""From a case to the call it asks for.

Functions are found by name in ``releasectl.stats``. Names that are no identifier have an entry in
``SPECIAL``; arguments that a file spells in another way are renamed only when the function does not know
them, so the function's own words always win.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from releasectl import stats
from tests.vectors import recipes

SPECIAL: tuple[tuple[re.Pattern[str], str, Callable[[re.Match[str]], dict[str, Any]]], ...] = (
    (re.compile(r"type1_of_repeated_z_(?P<z>[\d.]+)"), "type1_of_repeated_z", lambda m: {"z": float(m["z"])}),
    (re.compile(r"obrien_fleming_constant"), "obrien_fleming_bounds", lambda _: {}),
    (re.compile(r"mcnemar_(?P<how>exact|corrected|asymptotic)"), "mcnemar",
     lambda m: {"exact": m["how"] == "exact", "correction": m["how"] == "corrected"}),
    (re.compile(r"(kolmogorov_smirnov|ks)"), "ks_2samp", lambda _: {}),
    (re.compile(r"(wasserstein|wasserstein_1)"), "wasserstein_distance", lambda _: {}),
    (re.compile(r"(js_distance|jensenshannon)"), "jensen_shannon_distance", lambda _: {}),
    (re.compile(r"(chi2_contingency|chisq_homogeneity)"), "chi2_homogeneity", lambda _: {}),
    (re.compile(r"(welch_t|welch_ttest|ttest_welch)"), "welch", lambda _: {}),
    (re.compile(r"(poisson_score_test|poisson_rate_ratio_score)"), "poisson_ratio_score_test", lambda _: {}),
    (re.compile(r"(ess|effective_sample_size)"), "kish_ess", lambda _: {}),
    (re.compile(r"(ipw_se|ipw_stderr)"), "ipw_standard_error", lambda _: {}),
    (re.compile(r"(prob_best|p_best)"), "prob_best", lambda _: {}),
)  # fmt: skip

# Every group holds words for the same thing.
_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(words.split())
    for words in (
        "reward rewards r y outcome outcomes",
        "action actions a arm arms chosen",
        "pscore pscores propensity propensities p_b pi_b behavior_prob behaviour_prob logging_prob p_log",
        "action_dist pi_e p_e pi target target_dist target_prob target_probs evaluation_prob"
        " target_action target_actions evaluation_action evaluation_actions",
        "weight weights w importance_weights",
        "q_hat q estimated_rewards_by_reg_model estimated_rewards reward_model q_values mu_hat predicted",
        "successes s x k",
        "n trials",
        "expected e reference baseline",
        "actual a current canary",
        "e e_values evalues",
        "p p_values pvalues",
        "x sample1 a",
        "y sample2 b",
        "x covariate pre",
        "num numerator y",
        "den denominator x",
        "info information fractions information_fractions timing t",
        "K looks k",
        "alpha_two_sided alpha",
        "alpha_each_side alpha",
        "table observed counts",
        "counts n",
        "theta0 theta probabilities expected_shares",
        "dirichlet_concentration concentration k",
        "dirichlet_alpha prior alpha",
        "alternative side h1",
        "continuity use_continuity correction",
        "effect effect_size delta",
        "ratio allocation_ratio",
    )
)
_FREE = frozenset({"note", "source", "n", "at", "breaks", "log_term"})


def find(name: str) -> tuple[Callable[..., Any], dict[str, Any]] | None:
    """The function of that name and the arguments its name carries; None when there is none."""
    if name in dir(stats):
        return getattr(stats, name), {}
    for pattern, target, extra in SPECIAL:
        found = pattern.fullmatch(name)
        if found and target in dir(stats):
            return getattr(stats, target), extra(found)
    return None


def prepare(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with recipes expanded and numbers in words replaced."""
    return {key: _prepared(value, args) for key, value in args.items()}


def call(function: Callable[..., Any], args: Mapping[str, Any]) -> Any:
    """Call by keyword, in the function's own words where the file uses others."""
    args = _adapted(function.__name__, args)
    signature = inspect.signature(function)
    known = set(signature.parameters)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values()):
        return function(**args)
    given = {key: value for key, value in args.items() if key in known}
    for key, value in args.items():
        if key in known:
            continue
        other = _own_word(key, known - set(given) - set(args))
        if other is not None:
            given[other] = value
        elif key not in _FREE:
            raise TypeError(f"{function.__name__} has no argument {key!r}")
    return function(**given)


def _adapted(name: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Spellings that are no mere renaming: weights for propensities, discordant counts alone, base e."""
    if name == "mcnemar" and "table" not in args and {"b", "c"} <= set(args):
        return {**{k: v for k, v in args.items() if k not in "bc"}, "table": [[0, args["b"]], [args["c"], 0]]}
    if args.get("base") == "e":
        return {**args, "base": math.e}
    given = next((key for key in ("weights", "weight", "w") if key in args), None)
    if given and name in {"ipw", "snipw", "ipw_standard_error"}:
        rest = {k: v for k, v in args.items() if k != given}
        ones = [1.0] * len(args[given])
        return {**rest, "action": [0] * len(ones), "pscore": ones, "action_dist": args[given]}
    return args


def _own_word(key: str, free: set[str]) -> str | None:
    for group in _SAME:
        if key in group:
            fitting = sorted(group & free)
            if fitting:
                return fitting[0]
    return None


def _prepared(value: Any, args: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        if recipes.is_recipe(value):
            return recipes.expand(value, {k: v for k, v in args.items() if isinstance(v, int | float)})
        if value.strip().lower() in {"inf", "-inf", "+inf", "nan"}:
            return float(value)
        number = recipes.right_hand_side(value) if "=" in value and "h0" not in value else None
        return value if number is None else number
    if isinstance(value, list):
        return [_prepared(item, args) for item in value]
    return value
