"""Scans of press lines, drawn: small print, and pages that came noisy from the fax.

A line becomes an 8-bit grey image as a scanner at 150 dpi would give it, so that 13 pixels are about 6 points.
Drawing needs Pillow and Debian's fonts-dejavu-core.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from story import LANGUAGES, PRESS, Line, written

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
MIX = {"clean": 3, "noisy": 4, "small": 3}
"""How many of 10 scans are of each print."""


@dataclass(frozen=True)
class Print:
    """How a line was printed and scanned."""

    pixels: int
    """Size of the font."""
    specks: float = 0.0
    """Share of pixels that became black or white, in equal parts."""


PRINTS: Mapping[str, Print] = {
    "clean": Print(pixels=24),
    "noisy": Print(pixels=24, specks=0.05),
    "small": Print(pixels=13),
    "tiny": Print(pixels=10),
}
"""``tiny`` is for those who want to see smoothing fail soon; it is not in the mix."""


@dataclass(frozen=True)
class Scan:
    """A line as it arrives at the desk."""

    line: Line
    print: str
    pixels: np.ndarray
    """Grey values, 0 is black, in rows."""

    @property
    def image(self) -> str:
        """Base64 of an 8-bit PGM: what the component ``ocr`` takes."""
        height, width = self.pixels.shape
        return base64.b64encode(b"P5 %d %d 255\n" % (width, height) + self.pixels.tobytes()).decode()


def scans(seed: int, count: int, mix: Mapping[str, int] = MIX) -> Iterator[Scan]:
    """``count`` scans; ``mix`` weighs the prints against each other."""
    # Not for secrets: the generator only has to be the same on every machine.
    chance, noise = random.Random(seed), np.random.default_rng(seed)
    for line in written(PRESS, seed=seed, count=count, languages=LANGUAGES):
        (chosen,) = chance.choices(list(mix), list(mix.values()))
        yield Scan(line, chosen, speckled(drawn(line.text, PRINTS[chosen].pixels), PRINTS[chosen].specks, noise))


def drawn(text: str, pixels: int) -> np.ndarray:
    """Black on white, with a margin of one font size at both sides and half of one above and below."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(FONT, pixels)
    image = Image.new("L", (int(font.getlength(text)) + 2 * pixels, 2 * pixels), 255)
    ImageDraw.Draw(image).text((pixels, pixels // 2), text, fill=0, font=font)
    return np.array(image)


def speckled(scan: np.ndarray, part: float, noise: np.random.Generator) -> np.ndarray:
    """The scan with specks on it, black and white ones in equal parts."""
    drawn = noise.random(scan.shape)
    return np.where(drawn < part / 2, 0, np.where(drawn < part, 255, scan)).astype(np.uint8)
