"""Blocks of outcomes: how many trials, how many of them good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.arms import Arms
from releasectl.stats.contrast import Contrast, Increments
from releasectl.stats.determinism import Floats, same_shape
from releasectl.stats.projection import project_on_difference, project_on_ratio


@dataclass(frozen=True)
class Trials:
    """Outcomes per tick of a baseline and a canary arm; integers, shape (..., ticks).

    x counts outcomes, good ones where nothing else is said, and n trials. A tick without trials in an arm
    is allowed and says nothing.
    """

    x_b: Floats
    n_b: Floats
    x_c: Floats
    n_c: Floats

    @classmethod
    def of_good(cls, *, x_b: ArrayLike, n_b: ArrayLike, x_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts of outcomes x of n trials."""
        block = cls(*same_shape(x_b, n_b, x_c, n_c))
        for x, n in ((block.x_b, block.n_b), (block.x_c, block.n_c)):
            if not bool(np.all((x >= 0) & (x <= n) & np.isfinite(n))):
                raise ValueError("outcomes must lie between 0 and the trials of their tick")
        return block

    @classmethod
    def of_bad(cls, *, y_b: ArrayLike, n_b: ArrayLike, y_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts y of bad outcomes, turned into good ones."""
        b, m, c, n = same_shape(y_b, n_b, y_c, n_c)
        return cls.of_good(x_b=m - b, n_b=m, x_c=n - c, n_c=n)

    @classmethod
    def of_events(cls, *, y_b: ArrayLike, n_b: ArrayLike, y_c: ArrayLike, n_c: ArrayLike) -> Trials:
        """From counts of events and exposures, for the conditional rule: events may exceed exposure."""
        block = cls(*same_shape(y_b, n_b, y_c, n_c))
        parts = (block.x_b, block.n_b, block.x_c, block.n_c)
        if not all(bool(np.all((a >= 0) & np.isfinite(a))) for a in parts):
            raise ValueError("events and exposures must be finite and not negative")
        return block

    @property
    def ticks(self) -> int:
        """Number of ticks in the block."""
        return int(self.x_b.shape[-1])

    def part(self, ticks: slice) -> Trials:
        """Some of the block's ticks."""
        return Trials(self.x_b[..., ticks], self.n_b[..., ticks], self.x_c[..., ticks], self.n_c[..., ticks])

    def flipped(self) -> Trials:
        """Good and bad exchanged."""
        return Trials(self.n_b - self.x_b, self.n_b, self.n_c - self.x_c, self.n_c)

    def swapped(self) -> Trials:
        """Baseline and canary exchanged."""
        return Trials(self.x_c, self.n_c, self.x_b, self.n_b)

    def increments(self, contrast: Contrast) -> Increments:
        """Differences with the score variance at the edge of the null.

        At margin 0 that is the hypergeometric variance given the tick's outcomes (Mantel & Haenszel 1959),
        else that of Farrington & Manning (1990): rates are the nearest pair on the edge. The factor
        n / (n - 1), n = n_b + n_c, makes both exact for margin 0. A tick with an arm empty is 0.
        """
        both = (self.n_b > 0) & (self.n_c > 0)
        n_b, n_c = np.where(both, self.n_b, 2.0), np.where(both, self.n_c, 2.0)
        # Rates stay rates where an arm is empty: what is computed there is not used, but must not overflow.
        p_b, p_c = np.where(both, self.x_b, 0.0) / n_b, np.where(both, self.x_c, 0.0) / n_c
        ratio, offset = contrast.ratio, contrast.offset
        if offset == 0.0:
            edge_b = project_on_ratio(p_b, p_c, n_b, n_c, ratio)
        else:
            edge_b = project_on_difference(p_b, p_c, n_b, n_c, -offset)
        edge_c = ratio * edge_b + offset
        n = n_b + n_c
        w = np.where(both, n_b * n_c / n, 0.0)
        one_b, one_c = edge_b * (1.0 - edge_b), edge_c * (1.0 - edge_c)
        spread = ratio * ratio * one_b / n_b + one_c / n_c
        skew = ratio * ratio * ratio * one_b * (1.0 - 2.0 * edge_b) / (n_b * n_b)
        skew = skew - one_c * (1.0 - 2.0 * edge_c) / (n_c * n_c)
        return Increments(
            s=contrast.sign * (w * (ratio * p_b + offset - p_c)),
            v=w * w * spread * (n / (n - 1.0)),
            k3=contrast.sign * (w * w * w * skew),
            w=w,
            given=True,
        )

    def arms(self) -> Arms:
        """Rates and their unbiased variances; an arm with one trial borrows the variance of both together."""
        both = (self.n_b > 0) & (self.n_c > 0)
        n_b, n_c = np.where(both, self.n_b, 1.0), np.where(both, self.n_c, 1.0)
        p_b, p_c, n = self.x_b / n_b, self.x_c / n_c, n_b + n_c
        share = (self.x_b + self.x_c) / n
        spread = share * (1.0 - share) * (n / (n - 1.0))
        return Arms(
            mean_b=p_b,
            mean_c=p_c,
            var_b=_one_trial(p_b, n_b, spread) / n_b,
            var_c=_one_trial(p_c, n_c, spread) / n_c,
            rarity=np.minimum(share, 1.0 - share),
            n_b=self.n_b,
            n_c=self.n_c,
            usable=both,
        )


def _one_trial(p: Floats, n: Floats, fallback: Floats) -> Floats:
    """Unbiased variance of one outcome."""
    return np.where(n > 1, p * (1.0 - p) * (n / np.maximum(n - 1.0, 1.0)), fallback)
