"""The evidence of a decision is the same on every machine: vector units, Python and library versions aside."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from releasectl.stats.determinism import exp, log, log1p

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "recorded_evidence.sha256"


def digests(**environment: str) -> tuple[str, str]:
    """Of 1,000 decisions: as recorded, and to the last bit."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.unit.stats.evidence_digest"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    recorded, bits = run.stdout.split()
    return recorded, bits


def vector_features() -> list[str]:
    """The optional vector units that numpy uses here and can be told not to."""
    umath = pytest.importorskip("numpy._core._multiarray_umath")
    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_decisions_have_the_committed_digest_with_and_without_vector_units() -> None:
    plain = digests()
    assert plain[0] == GOLDEN.read_text().strip(), (
        "recorded evidence has changed: if a rule was meant to, write the first word that"
        " `python -m tests.unit.stats.evidence_digest` prints to the golden file, and say so in the commit"
    )
    assert digests(NPY_DISABLE_CPU_FEATURES=" ".join(vector_features())) == plain


def test_elementary_functions_do_not_depend_on_how_many_values_come_at_once() -> None:
    x = np.linspace(-20, 20, 4001)  # numpy's own functions treat the rest of a vector differently
    whole = exp(x), log(x[x > 0]), log1p(x[x > -1])
    one_by_one = (
        [exp(v).item() for v in x],
        [log(v).item() for v in x[x > 0]],
        [log1p(v).item() for v in x[x > -1]],
    )
    for array, scalars in zip(whole, one_by_one, strict=True):
        assert array.tolist() == scalars
