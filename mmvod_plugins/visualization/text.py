"""Text on images, in any script that an installed font has."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache

import cv2
import numpy as np
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Pixels of a font that are as high as OpenCV's at scale 1.
PIXELS = 30


def text_size(text: str, scale: float) -> tuple[int, int, int]:
    """Width, height above the baseline and depth below it, in pixels, at OpenCV's ``scale``."""
    font = _font(text)
    if font is None:
        (width, height), depth = cv2.getTextSize(text, FONT, scale, 1)
        return width, height, depth
    _, top, right, bottom = _sized(font, scale).getbbox(text, anchor='ls')
    return round(right), round(-top), max(round(bottom), 0) + 1


def draw_text(canvas: np.ndarray, text: str, origin: tuple[int, int], scale: float,
              colour: Colour) -> None:
    """Write text into an image, (H, W, 3) uint8.

    OpenCV has nothing but ASCII; other text takes a font of the system that has its characters.

    Args:
        canvas: The image; changes.
        text: One line.
        origin: (x, y) of the left end of the baseline.
        scale: Size in units of OpenCV's font.
        colour: In the order of the channels.
    """
    font = _font(text)
    if font is None:
        cv2.putText(canvas, text, origin, FONT, scale, colour, 1, cv2.LINE_AA)
        return
    width, height, depth = text_size(text, scale)
    left, top = origin[0], origin[1] - height
    x1, y1 = max(left, 0), max(top, 0)
    part = canvas[y1:top + height + depth, x1:left + width]
    if not part.size:
        return
    image = Image.fromarray(part)
    ImageDraw.Draw(image).text((left - x1, origin[1] - y1), text, fill=colour,
                               font=_sized(font, scale), anchor='ls')
    part[:] = np.asarray(image)


def drawable(text: str, otherwise: str) -> str:
    """The text, or another one if no font has its characters, with a warning."""
    if text.isascii() or _font(text) is not None:
        return text
    _warn_without_font(text, otherwise)
    return otherwise


@cache
def _warn_without_font(text: str, otherwise: str) -> None:
    warnings.warn(f'no font of this system has all characters of {text!r}: {otherwise!r} is drawn '
                  'in its place. Install one, for example the package fonts-noto-cjk or '
                  'fonts-noto-core', stacklevel=4)


@lru_cache(4096)
def _font(text: str) -> str | None:
    """File of the first font with all characters of a text; None for ASCII, or without one."""
    if text.isascii():
        return None
    return next((path for path in _fonts() if {ord(c) for c in text} <= _characters(path)), None)


@cache
def _fonts() -> list[str]:
    """Files of fonts: matplotlib's own, which has Latin, Greek and Cyrillic, then the system's."""
    return [font_manager.findfont('DejaVu Sans'), *sorted(font_manager.findSystemFonts())]


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError):  # a font that FreeType does not read
        return frozenset()


@cache
def _sized(path: str, scale: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, max(6, round(PIXELS * scale)))
