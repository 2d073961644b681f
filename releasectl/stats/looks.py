"""The density of a Brownian motion that is stopped at bounds, one look after another.

The recursion of Armitage, McPherson & Rowe (1969) on the scale of S = Z sqrt(I): what is still running
after look k has density f_k between the bounds, and f_{k+1} is f_k convolved with a normal of variance
I_{k+1} - I_k. Integrals are composite Gauss-Legendre with panels no wider than the narrowest normal
involved, which leaves about twelve digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from releasectl.stats.determinism import Floats, exp, floats
from releasectl.stats.quadrature import gauss_legendre
from releasectl.stats.simpson import simpson_grid

_NODES = 12
_REACH = 9.0  # standard deviations kept on an open side: 1e-19 of the mass is beyond
_PANEL = 2.0  # panel width in standard deviations of the narrower kernel
_ROOT_2PI = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Crossing:
    """Chances of first leaving through the upper and the lower bound at each look, shape (looks,)."""

    upper: Floats
    lower: Floats
    info: Floats

    @property
    def total(self) -> float:
        """The chance of leaving at any look."""
        return math.fsum([*self.upper.tolist(), *self.lower.tolist()])

    @property
    def expected_info(self) -> float:
        """Mean information at the end, when the last look ends the trial in any case."""
        leaving = self.upper + self.lower
        running = 1.0 - np.add.accumulate(np.concatenate([[0.0], leaving[:-1]]))
        return math.fsum((running * np.diff(self.info, prepend=0.0)).tolist())


@dataclass(frozen=True)
class Walk:
    """What is still running before look ``k``: mass at nodes of S after the look before."""

    info_by_look: Floats
    drift: float
    k: int
    nodes: Floats
    mass: Floats
    grid: int | None

    @classmethod
    def begin(cls, info: Floats, *, drift: float, grid: int | None = None) -> Walk:
        """All mass at S = 0; ``grid`` asks for Jennison & Turnbull's Simpson grid with that r instead."""
        return cls(info, drift, 0, np.zeros(1), np.ones(1), grid)

    @property
    def info(self) -> float:
        """Information at the coming look."""
        return float(self.info_by_look[self.k])

    @property
    def _gained(self) -> float:
        return self.info - (float(self.info_by_look[self.k - 1]) if self.k else 0.0)

    def above(self, z: float) -> float:
        """The chance of being above z, on the scale of Z, at the coming look."""
        return self._tail(z, 1.0)

    def below(self, z: float) -> float:
        """The chance of being below z at the coming look."""
        return self._tail(z, -1.0)

    def beyond(self, lower: float, upper: float) -> Walk:
        """After the coming look, with what is outside the bounds (on the scale of Z) stopped."""
        after = replace(self, k=self.k + 1)
        if after.k == self.info_by_look.size:
            return after
        root, centre = math.sqrt(self.info), self.drift * self.info
        if self.grid is not None:
            nodes, mass = self._on_grid(lower, upper)
            return replace(after, nodes=nodes, mass=mass)
        low = max(lower * root, centre - _REACH * root)
        high = min(upper * root, centre + _REACH * root)
        nodes, weights = _panels(low, high, math.sqrt(min(self._gained, after._gained)))
        return replace(after, nodes=nodes, mass=self._density(nodes) * weights)

    def _density(self, nodes: Floats) -> Floats:
        spread = math.sqrt(self._gained)
        gaps = (nodes[None, :] - self.nodes[:, None] - self.drift * self._gained) / spread
        kernel = exp(-0.5 * gaps * gaps) * self.mass[:, None]
        return floats(np.add.reduce(kernel, axis=0) / (spread * _ROOT_2PI))

    def _on_grid(self, lower: float, upper: float) -> tuple[Floats, Floats]:
        root = math.sqrt(self.info)
        z, weights = simpson_grid(lower, upper, centre=self.drift * root, r=self.grid or 0)
        return z * root, self._density(z * root) * weights * root

    def _tail(self, z: float, sign: float) -> float:
        if math.isinf(z):
            return 0.0 if z * sign > 0 else math.fsum(self.mass.tolist())
        if self.grid is not None and self.k > 0:
            _, mass = self._on_grid(*((z, math.inf) if sign > 0 else (-math.inf, z)))
            return math.fsum(mass.tolist())
        gaps = (z * math.sqrt(self.info) - self.nodes - self.drift * self._gained) / math.sqrt(self._gained)
        return math.fsum((self.mass * special.ndtr(-sign * gaps)).tolist())


def _panels(low: float, high: float, scale: float) -> tuple[Floats, Floats]:
    if high <= low:
        return np.zeros(1), np.zeros(1)
    count = max(1, math.ceil((high - low) / (_PANEL * scale)))
    half = 0.5 * (high - low) / count
    centres = low + half * (2.0 * np.arange(count) + 1.0)
    nodes = floats(centres[:, None] + half * _X[None, :]).ravel()
    return nodes, np.tile(half * _W, count)


_X, _W = gauss_legendre(_NODES)
