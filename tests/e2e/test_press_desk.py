"""The press desk's whole graph, live: Tesseract, Apertium and the models as processes behind a real Envoy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.stage import Stage, a_stage
from tests.examples.press_desk import FOLDER, scanning

pytestmark = [
    pytest.mark.debian,
    pytest.mark.slow,
    pytest.mark.envoy,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not (shutil.which("tesseract") and shutil.which("apertium") and scanning.FONT.exists()),
        reason="Debian's tesseract-ocr, apertium and fonts-dejavu-core are not installed",
    ),
]
MANIFEST = "releases/press-desk.yaml"
OTHERS = ("environments/desk.yaml", "metrics/press.yaml", "policies/scans.yaml")


def test_smoothing_is_taken_back_for_the_print_that_it_ruins(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    with a_stage(tmp_path) as stage:
        manifest = (FOLDER / MANIFEST).read_text().replace("steps: [25, 50]", "steps: [50]")
        stage.commit({MANIFEST: manifest, **{name: (FOLDER / name).read_text() for name in OTHERS}}, "Serve scans")
        for name in ("releases/shop.yaml", "policies/careful.yaml"):
            stage.git("rm", "--quiet", name)
        stage.commit({}, "Only the desk")
        # The commands of the manifest are relative to where the controller runs.
        shutil.copytree(FOLDER / "components", stage.folder / "components")
        stage.run()
        desk = until(lambda: release(stage), lambda one: bool(one.get("url")) and served(one, "stable") == 10_000)
        candidate = '  candidates:\n    - {name: smooth, versions: {ocr: "2.0"}}\n  strategy:'
        stage.commit({MANIFEST: manifest.replace("  strategy:", candidate)}, "Try OCR 2.0")
        until(lambda: release(stage), lambda one: served(one, "smooth") == 5_000)
        with sending(str(desk["url"]), f"{stage.api}/v1/events"):
            ended = until(
                lambda: release(stage), lambda one: served(one, "stable") == 10_000 and not one.get("unrecorded"), 900
            )
        assert (ended["last"]["action"], ended["last"]["reason"]) == ("ROLLBACK", "GuardrailBreached")
        assert "smooth" not in stage.git("show", f"main:{MANIFEST}", cwd=stage.origin)


def release(stage: Stage) -> dict[str, Any] | None:
    """The desk as the controller tells it; None until it does."""
    try:
        answer = httpx.get(f"{stage.api}/v1/releases/press-desk", timeout=5, trust_env=False)
    except (OSError, ValueError, httpx.HTTPError):
        return None
    return dict(answer.json()) if answer.status_code == 200 else None


def served(one: dict[str, Any], variant: str) -> int | None:
    return next((each.get("served") for each in one.get("variants", ()) if each["name"] == variant), None)


def until(
    look: Callable[[], dict[str, Any] | None], so: Callable[[dict[str, Any]], bool], within: float = 120
) -> dict[str, Any]:
    """The first look of which that is so."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen is not None and so(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {within:g} s; last seen: {seen}"
        time.sleep(0.25)


@contextmanager
def sending(entry: str, events: str):
    """Readers of tiny print, as the README starts them."""
    command = [sys.executable, str(FOLDER / "send.py"), entry, events, "--seconds", "900", "--only", "tiny"]
    readers = subprocess.Popen(command)
    try:
        yield
        assert readers.poll() is None, "the readers ended too soon"
    finally:
        readers.terminate()
        readers.wait(60)
