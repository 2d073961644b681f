"""Evidence has the same bits with and without the processor's vector units."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core import _multiarray_umath as core

from tests.unit.stats.evidence import digests

ROOT = Path(__file__).parents[3]


def printed(**environment: str) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    program = [sys.executable, "-W", "ignore", "-m", "tests.unit.stats.evidence"]
    return subprocess.run(program, env=env, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()


def test_the_evidence_of_a_thousand_decisions_keeps_its_bits_without_vector_units() -> None:
    features = [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]
    if not features:
        pytest.skip("this processor has no vector feature that numpy dispatches on")
    assert printed(NPY_DISABLE_CPU_FEATURES=" ".join(features)) == list(digests())


def test_sequential_rules_need_no_scipy_stats() -> None:
    program = (
        "import sys, releasectl.stats as s\n"
        "r = s.Horizon(last_tick=20); b = s.Trials.of_good(x_b=[8], n_b=[9], x_c=[7], n_c=[9])\n"
        "r.breached(r.step(r.init(), b)); s.TwoByTwo().step(s.TwoByTwo().init(), b); s.betting_cs(x=[.5])\n"
        "print('scipy.stats' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"
