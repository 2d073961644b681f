"""The same bits whatever the processor's vector unit, and a package that is cheap to import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core import _multiarray_umath as core

ROOT = Path(__file__).parents[3]


def _run(arguments: list[str], **environment: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, *arguments], env=env, cwd=ROOT, capture_output=True, check=True, text=True)
    return done.stdout


def _removable() -> list[str]:
    """Vector features that this processor has and numpy can be told not to use."""
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]


def test_vector_units_do_not_change_a_bit() -> None:
    features = _removable()
    if not features:
        pytest.skip("this processor has no vector feature that numpy dispatches on")
    program = ["-W", "ignore", "-m", "tests.unit.stats.fingerprint"]
    assert _run(program) == _run(program, NPY_DISABLE_CPU_FEATURES=" ".join(features))


def test_shares_need_no_scipy_stats() -> None:
    program = (
        "import sys, releasectl.stats as s\n"
        "cheap = not {'numpy', 'scipy'} & set(sys.modules)\n"
        "s.prob_best(posterior='beta', params=[[1, 2], [2, 1]]); s.welch(x=[1, 2, 4], y=[1, 3, 3])\n"
        "s.obrien_fleming_bounds(K=2); s.ks_2samp(x=[1, 2], y=[3, 4])\n"
        "s.norm_ind_power_n1(effect=.1, alpha=.05, power=.8)\n"
        "print(cheap, 'scipy.stats' in sys.modules, 'scipy.optimize' in sys.modules)"
    )
    assert _run(["-c", program]).split() == ["True", "False", "False"]
