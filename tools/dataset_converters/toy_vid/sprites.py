"""Canonical pictures of the objects, before they are placed in a frame."""

from functools import lru_cache

import cv2
import numpy as np

CANVAS = 256
"""Side of a sprite in pixels."""

EXTENT = 1.1
"""Half side of a sprite, in radii of the object."""

_PERIOD = 0.5
"""Period of the textures, in radii: 25% of the diameter."""

_BADGE = 0.7
"""Size of the textured middle, as a share of the shape around it, whose colour is the rim."""

INKS = dict(
    checked=np.array([-95.0, 95.0, -95.0]), dotted=np.array([95.0, -95.0, -95.0]),
    ringed=np.array([95.0, 95.0, 95.0]), striped=np.array([-95.0, -95.0, 95.0]))
"""BGR of a texture around its mean: green on magenta, blue on yellow, white on black, red on cyan.
All are grey when blurred."""


def outline(shape: str) -> np.ndarray:
    """(P, 2) polygon of a shape, x then y, within the unit circle."""
    if shape == 'disk':
        return _on_circle(np.ones(48))
    if shape == 'square':
        return _on_circle(np.ones(4))
    if shape == 'star':
        return _on_circle(np.tile([1.0, 0.45], 5))
    raise ValueError(f'unknown shape {shape!r}')


def _on_circle(radii: np.ndarray) -> np.ndarray:
    """Points at even angles with the given radii."""
    angles = 2 * np.pi * np.arange(len(radii)) / len(radii)
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@lru_cache(maxsize=16)
def mask(shape: str, share: float = 1.0) -> np.ndarray:
    """(CANVAS, CANVAS) opacity of a shape, shrunk to a share of its size, 0 to 1."""
    scale = (CANVAS - 1) / (2 * EXTENT)
    points = np.round((share * outline(shape) + EXTENT) * scale * 16).astype(np.int32)
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, shift=4)
    return _frozen(canvas.astype(np.float32) / 255)


def detail(texture: str, phase: tuple[float, ...]) -> np.ndarray:
    """(CANVAS, CANVAS, 3) BGR of a texture around its mean, which is 0.

    Args:
        texture: A key of ``INKS``, or empty for none.
        phase: (2,), shift in periods.
    """
    if not texture:
        return np.zeros((CANVAS, CANVAS, 3), np.float32)
    axis = np.linspace(-EXTENT, EXTENT, CANVAS) / _PERIOD
    u, v = np.meshgrid(axis + phase[0], axis + phase[1])
    du, dv = np.mod(u, 1) - 0.5, np.mod(v, 1) - 0.5
    if texture == 'striped':
        pattern = du < 0
    elif texture == 'checked':
        pattern = du * dv < 0
    elif texture == 'dotted':
        pattern = du**2 + dv**2 < 0.5 / np.pi
    else:
        pattern = np.mod(np.hypot(u, v), 1) < 0.5
    return (np.where(pattern, 1, -1)[..., None] * INKS[texture]).astype(np.float32)


@lru_cache(maxsize=32)
def sprite(shape: str, texture: str, phase: tuple[float, ...], fade: float,
           colors: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """(CANVAS, CANVAS, 4) float32: BGR multiplied by the opacity, then the opacity.

    Args:
        shape: Name of the outline.
        texture: As for ``detail``.
        phase: As for ``detail``.
        fade: 1 replaces the texture by its mean: the plain back of the object.
        colors: (2, 3) BGR of the rim and mean BGR of the textured middle, 0 to 255.
    """
    opacity = mask(shape)[..., None]
    rim, middle = np.array(colors)
    badge = mask(shape, _BADGE)[..., None]
    paint = rim + badge * (middle + (1 - fade) * detail(texture, phase) - rim)
    return _frozen(np.concatenate([paint * opacity, opacity], axis=2).astype(np.float32))


def _frozen(array: np.ndarray) -> np.ndarray:
    """The array, made read-only because it is shared through a cache."""
    array.setflags(write=False)
    return array
