"""The component ``ocr``: {"image": base64 of a PGM scan} to {"text": ...}, by Debian's Tesseract.

PGM is what ``scanimage`` writes. ``--median`` smooths the scan with a 3x3 median filter first, which takes
away the specks of a bad scan and, in small print, the letters' fine lines with them.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import numpy as np
from desk.serving import Answer, Headers, Refused, serve

_HEADER = re.compile(rb"P5\s+(?:#[^\n]*\n)*(\d+)\s+(\d+)\s+255\s")
_LIMIT_S = 20


def load(is_smoothed: bool) -> Answer:
    """The component; RuntimeError where Tesseract is not installed."""
    if not shutil.which("tesseract"):
        raise RuntimeError("tesseract is missing: apt-get install tesseract-ocr tesseract-ocr-eng tesseract-ocr-spa")

    def answer(body: Mapping[str, Any], headers: Headers) -> Mapping[str, Any]:
        pixels = scan_of(body)
        return {"text": read(smoothed(pixels) if is_smoothed else pixels)}

    return answer


def scan_of(body: Mapping[str, Any]) -> np.ndarray:
    """The request's image as rows of grey values."""
    try:
        content = base64.b64decode(str(body.get("image", "")), validate=True)
    except binascii.Error:
        raise Refused(400, "the image is no base64") from None
    found = _HEADER.match(content)
    if not found:
        raise Refused(400, 'give a scan: {"image": "<base64 of an 8-bit PGM>"}')
    width, height = int(found[1]), int(found[2])
    grey = np.frombuffer(content, np.uint8, offset=found.end())
    if grey.size != width * height:
        raise Refused(400, f"{grey.size} pixels do not fill {width} x {height}")
    return grey.reshape(height, width)


def smoothed(pixels: np.ndarray) -> np.ndarray:
    """Each pixel becomes the median of its 3x3 neighbourhood."""
    framed = np.pad(pixels, 1, mode="edge")
    height, width = pixels.shape
    shifted = [framed[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.median(np.stack(shifted), axis=0).astype(np.uint8)


def read(pixels: np.ndarray) -> str:
    """The text of a scan on one line; 502 when Tesseract fails."""
    height, width = pixels.shape
    command = ["tesseract", "stdin", "stdout", "-l", "eng+spa", "--psm", "6", "--dpi", "300"]
    # One thread each: on few cores Tesseract's threads wait for one another.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    scan = b"P5 %d %d 255\n" % (width, height) + pixels.tobytes()
    try:
        done = subprocess.run(command, input=scan, capture_output=True, timeout=_LIMIT_S, check=True, env=environment)
    except subprocess.SubprocessError as fault:
        raise Refused(502, f"tesseract: {type(fault).__name__}") from fault
    return " ".join(done.stdout.decode(errors="replace").split())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--median", action="store_true")
    chosen = parser.parse_args().median
    serve("ocr", lambda: load(chosen))
