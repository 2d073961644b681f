"""Both arms' estimates inside a tick: what means, ratios and proportions have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from releasectl.stats.contrast import Contrast, Increments
from releasectl.stats.determinism import Floats


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """``n``: units of each arm; ``usable``: whether the tick says anything."""

    n_b: Floats
    n_c: Floats
    usable: NDArray[np.bool_]

    @property
    def weight(self) -> Floats:
        """w = n_b n_c / (n_b + n_c), fixed by the sizes alone; 0 in a tick that says nothing."""
        total = np.where(self.usable, self.n_b + self.n_c, 1.0)
        return np.where(self.usable, self.n_b * self.n_c / total, 0.0)


@dataclass(frozen=True)
class Arms(Sizes):
    """Estimates and the variances of these estimates, shape (..., ticks).

    ``rarity`` is the share of the rarer kind of observation in both arms together: the rarer outcome's for
    proportions, 1 for measured values. n times rarity says how far a normal limit can be trusted.
    """

    mean_b: Floats
    mean_c: Floats
    var_b: Floats
    var_c: Floats
    rarity: Floats | float = 1.0

    def increments(self, contrast: Contrast) -> Increments:
        """Weighted differences from the edge, with the unpooled variance and no third moment."""
        w, ratio = self.weight, contrast.ratio
        return Increments(
            s=contrast.sign * (w * (ratio * self.mean_b + contrast.offset - self.mean_c)),
            v=w * w * (ratio * ratio * self.var_b + self.var_c),
            k3=np.zeros_like(w),
            w=w,
            given=False,
        )


class Estimable(Protocol):
    """A block of ticks with estimates of both arms."""

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        ...

    def arms(self) -> Arms:
        """The estimates of each tick."""
        ...
