"""Statistics: numbers in, numbers out.

Arms are a baseline ``b`` and a canary ``c``; a tick is one interval of counting; arrays have any leading
axes (one entry for each comparison) and ticks on the last. Evidence is ln E of an e-process, in nats:
under the null its largest value ever exceeds ln(1/alpha) with chance alpha at most.

Sequential rules. A rule is what is frozen in advance, its state what was seen::

    rule = TwoByTwo(margin=0.01, starts=spread_starts(200))
    state = rule.init()                                # or init((1000,)) for a thousand at once
    block = Trials.of_good(x_b=[890], n_b=[900], x_c=[97], n_c=[100])
    state = rule.step(state, block)                    # or run(): also log e after each tick
    state.log_e, state.peak, state.breached(0.05), state.p_value(), state.to_json()
    TwoByTwoState.from_json(saved)                     # the same bits

``Trials.of_good`` when lower is worse, ``Trials.of_bad`` when what is counted is harm. Splitting the ticks
into blocks anywhere gives the same state to the bit.

=====================================  ==================================================================
``TwoByTwo``                           two proportions, exact under any drift; ``worse=`` says which way
``Conditional``                        counts of rare harm (``Trials.of_events``), exact
``Stratified``                         asymptotic, for ``Trials``, ``Moments``, ``RatioMoments``;
                                       ``claim="worse"`` for guardrails, ``"better"`` for superiority and
                                       non-inferiority; relative or absolute margin; dispersion factor
``MeanDifference``                     the same for means of skewed values in small ticks, with a covariate from
                                       before the trial if there is one (``AdjustedMoments``)
``Horizon``                            ``Stratified`` for a stage with a last tick: finds harm sooner, because
                                       no error is kept for later; ``rule.breached(state)``, and
                                       ``rule.p_value(peak)`` below alpha says the same
``SampleRatio``                        whether units reach the arms in the shares that were set
``Betting``                            limits for a bounded mean, as of paired differences
``paired_interval``                    the same for differences of -1, 0 and 1, from their counts alone
``weighted_log_e``, ``bonferroni``, ``e_bh``, ``multipletests``, ``Ledger``: several metrics, one error
``Odds``                               two proportions over a stage whose information is planned: counts
                                       from the first tick, finds small and large harm soonest
``difference_init``, ``_step``         sums for ``difference_interval`` and ``ratio_interval``: always-valid
                                       limits, two-sided or one-sided
``Starts``, ``spread_starts``          weights over the tick at which harm begins
``expected_variance``                  the v_opt to freeze for the rules above
``two_by_two_log_e``, ``conditional_log_e``, ``stratified_proportion_log_e``: whole series at once
``normal_mixture_bound``, ``normal_log_mixture``, ``msprt_lambda_log``: the formulas alone
=====================================  ==================================================================

Everything else is a function of numbers that are all there, in a module for each idea:

=====================================  ==================================================================
``prob_best``, ``top_two_shares``      chances of being best and expected losses, exact and without a seed
``allocate``                           basis points from them, under floors, caps, a step limit and vetoes
``discounted``, ``expected_exposure``  feedback that fades or comes late; ``exploration_share``: a limit on
                                       what trying costs
``aipw_means``, ``aipw_contrasts``     means and intervals after shares were adapted
``ipw`` .. ``sndr``, ``replay``        off-policy estimates; ask ``gate`` first
``spending_bounds``, ``planned_power`` a few planned looks; ``norm_ind_power_n1``, ``proportion_n1``: none
``proportion_stopping_time``           how long a sequential rule will take, simulated, with its error
``stratified_mean``, ``cohen_kappa``   what people's labels of a sample say, and how far people agree
``proportion_confint`` .. ``mcnemar``  one fixed look: intervals and tests for reports and suites
``psi`` .. ``spearman_difference``     distances between distributions, for drift
``place``, ``arrange``, ``rearrange``  which arm a unit is given
=====================================  ==================================================================

Names are imported when first used, so importing this package costs nothing.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "adjusted": ("AdjustedMoments", "Slope", "no_slope"),
    "stratified_means": ("MeanDifference", "MeanState", "mean_limit"),
    "arms": ("Arms",),
    "asymptotic": (
        "AsymptoticDifference", "AsymptoticLowerLimit", "asymp_cs_diff", "asymp_cs_diff_one_sided",
    ),
    "bernoulli": ("bernoulli_confidence_interval",),
    "betting": ("Betting", "BettingState", "Limits", "betting_cs"),
    "boundary": ("crossing_probability", "power_boundary"),
    "conditional": ("Conditional", "ConditionalState", "RATIOS", "conditional_log_e"),
    "contrast": ("Contrast",),
    "determinism": ("at_least", "rounded"),
    "difference": (
        "DifferenceInterval", "DifferenceState", "difference_init", "difference_interval", "difference_step",
        "ratio_interval",
    ),
    "dispersion": ("dispersion_factor", "variance_factor"),
    "fold": ("Rule", "State"),
    "horizon": ("Horizon", "HorizonState"),
    "kappa": ("Kappa", "cohen_kappa"),
    "ledger": ("Entry", "Ledger"),
    "mixture": ("msprt_lambda_log", "normal_log_mixture", "normal_mixture_bound", "tuned_rho"),
    "moments": ("Moments", "RatioMoments", "capped", "frozen_cap"),
    "multiple": ("Multiple", "bonferroni", "e_bh", "e_bh_log", "multipletests", "weighted_log_e"),
    "srm": (
        "Marginals", "SampleRatio", "SampleRatioState", "srm_log_bayes_factor", "srm_ssrm_unit_test",
    ),
    "starts": ("AT_FIRST", "Starts", "spread_starts"),
    "strata": ("StratifiedMean", "stratified_mean"),
    "stratified": (
        "Stratified", "StratifiedProportion", "StratifiedState", "expected_variance",
        "stratified_proportion_log_e",
    ),
    "trials": ("Trials",),
    "two_by_two": ("DROPS", "RISES", "TwoByTwo", "TwoByTwoState", "two_by_two_log_e"),
    "adaptive": ("AdaptiveMeans", "aipw_contrasts", "aipw_means"),
    "allocation": ("Shares", "allocate", "largest_remainder"),
    "assignment": ("Layout", "Range", "arrange", "bucket", "place", "rearrange"),
    "bandit": (
        "BestArm", "beta_posterior", "normal_posterior", "prob_best", "prob_best_beta", "prob_best_net",
        "prob_best_normal", "top_two_shares",
    ),
    "drift": (
        "CorrelationShift", "Homogeneity", "KolmogorovSmirnov", "chi2_homogeneity", "jensen_shannon_distance",
        "ks_2samp", "psi", "spearman_difference", "spearman_matrix", "wasserstein_distance",
    ),
    "feedback": ("delay_distribution", "discounted", "expected_exposure", "exploration_share", "matured"),
    "fixed_proportions": (
        "ScoreTest", "confint_proportions_2indep", "noninferiority_score_test", "proportion_confint",
    ),
    "fixed_rates": (
        "RateTest", "poisson_rate_ratio_exact_cond", "poisson_ratio_ci_score", "poisson_ratio_score_test",
    ),
    "fixed_samples": (
        "Bootstrap", "PairTest", "RankTest", "Welch", "mannwhitneyu", "mcnemar", "paired_bootstrap", "welch",
    ),
    "indices": ("bernoulli_kl", "glr_pair", "glr_threshold", "kl_ucb", "lai_robbins_slope"),
    "interval": ("Interval",),
    "looks": ("Crossing",),
    "odds": ("Odds", "OddsState", "horizon_credit", "odds_log_e"),
    "offpolicy": (
        "Gate", "dm", "dr", "dr_standard_error", "gate", "importance_weights", "ipw", "ipw_standard_error",
        "kish_ess", "replay", "sndr", "snipw", "snipw_standard_error",
    ),
    "paired": ("mean_interval", "paired_interval", "paired_log_e"),
    "planned": (
        "crossing_chances", "obrien_fleming_bounds", "pocock_constant", "spending_bounds", "spent",
        "type1_of_repeated_z",
    ),
    "power": (
        "PlannedPower", "StoppingTime", "mixture_stopping_time", "norm_ind_power_n1", "planned_power",
        "proportion_n1", "proportion_stopping_time",
    ),
    "unit_metrics": ("Cuped", "Ratio", "RelativeLift", "cuped", "delta_ratio", "relative_lift"),
}  # fmt: skip

_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
