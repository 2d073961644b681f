"""The normal mixture: boundary and evidence for a sum with known (or well estimated) variance.

Howard, Ramdas, McAuliffe & Sekhon (Time-uniform, nonparametric, nonasymptotic confidence sequences,
2021, propositions 5 and 6); with an estimated variance it is the asymptotic confidence sequence of
Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2021), and the mSPRT of Johari et al. with tau^2 = 1/rho.
S is a sum with mean 0 or less (one-sided) under the null, V its variance so far.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, exp, floats, log, log1p


def tuned_rho(*, v_opt: ArrayLike, alpha_opt: float = 0.05, is_one_sided: bool) -> Floats:
    """The rho that makes the boundary at error alpha_opt narrowest near V = v_opt (both in units of V).

    v_opt / (2 l + ln(1 + 2 l)) with l = ln(1/alpha), alpha doubled when one-sided: the closed form of the
    Lambert-W optimum used by confseq.
    """
    level = math.log(1.0 / (2.0 * alpha_opt if is_one_sided else alpha_opt))
    return floats(floats(v_opt) / (2.0 * level + math.log1p(2.0 * level)))


def normal_log_mixture(
    *, s: ArrayLike, v: ArrayLike, v_opt: ArrayLike, alpha_opt: float = 0.05, is_one_sided: bool = True
) -> Floats:
    """log e of the sum s with variance v, elementwise, in nats; 0 at s = v = 0.

    One-sided mixes over positive drifts only; two-sided over both.
    """
    rho = tuned_rho(v_opt=v_opt, alpha_opt=alpha_opt, is_one_sided=is_one_sided)
    return log_mixture(floats(s), floats(v), rho, is_one_sided=is_one_sided)


def log_mixture(s: Floats, v: Floats, rho: Floats, *, is_one_sided: bool) -> Floats:
    """``normal_log_mixture`` at a given rho."""
    total = v + rho
    core = 0.5 * log(rho / total) + s * s / (2.0 * total)
    if not is_one_sided:
        return floats(core)
    return floats(core + math.log(2.0) + special.log_ndtr(s / np.sqrt(total)))


def normal_mixture_bound(
    *,
    v: ArrayLike,
    alpha: float,
    v_opt: ArrayLike,
    alpha_opt: float = 0.05,
    is_one_sided: bool = True,
) -> Floats:
    """The u(v) that s stays below at all times with chance 1 - alpha (|s| when two-sided), elementwise.

    In units of s; at v = 0 it is the finite bound of the prior alone. Two-sided in closed form, one-sided
    by solving log e = ln(1/alpha).
    """
    rho = tuned_rho(v_opt=v_opt, alpha_opt=alpha_opt, is_one_sided=is_one_sided)
    return mixture_bound(floats(v), alpha, rho, is_one_sided=is_one_sided)


def mixture_bound(v: Floats, alpha: ArrayLike, rho: Floats, *, is_one_sided: bool) -> Floats:
    """``normal_mixture_bound`` at a given rho; alpha may be an array."""
    total = v + rho
    need = log(total / rho) - 2.0 * log(alpha)
    if not is_one_sided:
        return floats(np.sqrt(total * need))
    return floats(np.sqrt(total) * _one_sided_root(0.5 * need))


def _one_sided_root(need: Floats) -> Floats:
    """The z with z^2/2 + ln(2 Phi(z)) = need, by Newton's method.

    The start errs by ln Phi, which is small wherever need is that of a usual alpha; the number of steps is
    fixed, so equal inputs give equal bits.
    """
    z = np.sqrt(np.maximum(2.0 * (need - math.log(2.0)), 0.0))
    for _ in range(6):
        log_phi = special.log_ndtr(z)
        slope = z + exp(-0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - log_phi)
        z = z - (0.5 * z * z + math.log(2.0) + log_phi - need) / slope
    return floats(z)


def msprt_lambda_log(*, diff: ArrayLike, V: float | str, n_per_arm: ArrayLike, tau2: float) -> Floats:
    """ln of the mixture likelihood ratio of Johari, Koomen, Pekelis & Walsh (2022), equal arms, normal prior.

    ``diff`` is the difference of means, ``V`` the sum of both arms' variances for one observation (a
    number, or text that ends in "=number"), ``tau2`` the prior variance of the difference. n = 0 gives 0.
    """
    variance = float(V.rpartition("=")[2]) if isinstance(V, str) else V
    n, d = floats(n_per_arm), floats(diff)
    spread = variance + n * tau2
    return floats(-0.5 * log1p(n * tau2 / variance) + n * n * tau2 * d * d / (2.0 * variance * spread))
