"""Which rules judge a metric, by its kind."""

from __future__ import annotations

from releasectl.domain.metric import Metric
from releasectl.domain.policy import Margin
from releasectl.evaluate.comparison import Claim, Comparison
from releasectl.evaluate.means import MeanComparison

AnyComparison = Comparison | MeanComparison
"""The two have the same questions; what they fold and how they judge is their own."""


def comparison_of(
    metric: Metric,
    *,
    candidate: str,
    margin: Margin,
    claim: Claim,
    alpha: float,
    total_alpha: float,
    min_samples: int,
) -> AnyComparison:
    """The rules for one candidate in one metric. A margin that the kind does not know raises ValueError."""
    if metric.clip is None:
        if margin.units is not None:
            raise ValueError(f"{metric.name}: a margin in units is for means")
        return Comparison(candidate, metric.direction, margin, claim, alpha, total_alpha, min_samples)
    if margin.points is not None and claim != "superior":
        raise ValueError(f"{metric.name}: a margin in points is for proportions")
    return MeanComparison(
        candidate=candidate,
        direction=metric.direction,
        margin=margin,
        claim=claim,
        alpha=alpha,
        total_alpha=total_alpha,
        min_samples=min_samples,
        clip=metric.clip,
        unit=metric.unit,
        spread=metric.spread,
        covariate=metric.covariate,
    )
