"""The mean of a population from samples of its strata, whose sizes are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class StratifiedMean:
    """An estimate with its standard error and limits; all of it NaN where no stratum has a sample."""

    mean: float
    se: float
    lower: float
    upper: float


def stratified_mean(
    *, weights: Sequence[float], samples: Sequence[Sequence[float]], bound: float = 1.0, level: float = 0.95
) -> StratifiedMean:
    """Sum of weights times sample means: unbiased where each sample is a random one of its stratum.

    ``weights`` are the strata's parts of the population; parts that are left out are taken to have mean 0, strata
    without a sample as well. Values lie in [-bound, bound]. Variance as in Cochran (Sampling Techniques, 1977, section
    5.4) and degrees of freedom by Satterthwaite (1946; Cochran 5.4); limits are for one look. In small samples all
    values are often the same, so each variance counts one value of either bound besides (the idea of Agresti & Coull
    1998), which the mean does not.
    """
    known = [(weight, sample) for weight, sample in zip(weights, samples, strict=True) if sample]
    if not known:
        return StratifiedMean(math.nan, math.nan, math.nan, math.nan)
    mean = math.fsum(weight * math.fsum(sample) / len(sample) for weight, sample in known)
    parts = [weight * weight * _variance([*sample, bound, -bound]) / len(sample) for weight, sample in known]
    variance = math.fsum(parts)
    freedom = variance**2 / math.fsum(part * part / len(sample) for part, (_, sample) in zip(parts, known, strict=True))
    se = math.sqrt(variance)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * se
    return StratifiedMean(mean, se, mean - half, mean + half)


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
