"""Random plan of a video, made before rendering."""

from colorsys import hsv_to_rgb
from dataclasses import dataclass, replace

import numpy as np

from .spec import DEGRADATIONS, SHAPES, SPEEDS, TEXTURES, TOY_CLASSES, Difficulty, Level

_STEP = dict(slow=(0.001, 0.006), medium=(0.014, 0.024), fast=(0.06, 0.16))
"""Path per frame, in diameters, that gives the motion IoU of the class."""

_SWAY = 0.1
"""Camera motion of strength 1, in shorter image sides."""


@dataclass(frozen=True)
class ObjectPlan:
    """A moving object.

    Attributes:
        shape: One of ``SHAPES``.
        texture: One of ``TEXTURES``; empty for a distractor, which is plain.
        speed: One of ``SPEEDS``.
        diameter: In pixels, before recession.
        path: (L, 2), x then y of the centre in image pixels, camera motion included.
        angle: (L,), turn in radians.
        colors: (2, 3), BGR of the rim and mean BGR of the textured middle, 0 to 255.
        phase: (2,), shift of the texture, in periods.
        plate: (L, 3), where a plate lies when the object is occluded: shift in x and in y in
            diameters (only used by full occlusion), turn in radians.
    """

    shape: str
    texture: str
    speed: str
    diameter: float
    path: np.ndarray
    angle: np.ndarray
    colors: np.ndarray
    phase: np.ndarray
    plate: np.ndarray

    @property
    def category_id(self) -> int:
        """Id in ``TOY_CATEGORIES``; 0 for a distractor."""
        return TOY_CLASSES.index(f'{self.texture}_{self.shape}') + 1 if self.texture else 0


@dataclass(frozen=True)
class VideoPlan:
    """A video.

    Attributes:
        height: Of a frame, in pixels.
        width: Of a frame, in pixels.
        objects: Annotated objects; distractors follow in ``distractors``.
        distractors: Things that belong to no class.
        degradations: Per frame, strength by name; empty in a clean frame.
        shake: (L,), direction of motion blur in radians.
        camera: (L, 2), x then y of the camera in pixels.
        camera_strength: 0 for a still camera.
        background_seed: Of the background and the plates.
    """

    height: int
    width: int
    objects: tuple[ObjectPlan, ...]
    distractors: tuple[ObjectPlan, ...]
    degradations: tuple[dict[str, float], ...]
    shake: np.ndarray
    camera: np.ndarray
    camera_strength: float
    background_seed: int

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.degradations)

    @property
    def conditions(self) -> dict[str, float | str]:
        """Conditions of the whole video; ``speed`` is that of its fastest object."""
        found: dict[str, float | str] = {}
        if self.camera_strength > 0:
            found['camera_motion'] = round(self.camera_strength, 4)
        if self.distractors:
            found['distractors'] = len(self.distractors)
        found['speed'] = max((item.speed for item in self.objects), key=SPEEDS.index)
        return found

    def without_degradations(self) -> 'VideoPlan':
        """The same video with clean frames only."""
        return replace(self, degradations=tuple({} for _ in self.degradations))


def plan_video(difficulty: Difficulty, size: tuple[int, int], length: int,
               rng: np.random.Generator) -> VideoPlan:
    """Draw a video at random.

    Args:
        difficulty: What may happen.
        size: Height and width, in pixels.
        length: Number of frames.
        rng: Source of randomness; the same state gives the same video.
    """
    strength = _condition(difficulty.camera_motion, rng)
    camera = _camera_path(strength * _SWAY * min(size), length, rng)
    num_distractors = round(_condition(difficulty.distractors, rng))
    num_objects = int(rng.integers(1, difficulty.max_objects + 1))
    shapes = rng.permutation(SHAPES)[:num_objects]
    weights = np.array(difficulty.speed_weights) / sum(difficulty.speed_weights)
    objects, distractors = [], []
    for i in range(num_objects + num_distractors):
        shape = str(shapes[i] if i < num_objects else rng.choice(SHAPES))
        texture = str(rng.choice(TEXTURES)) if i < num_objects else ''
        kind = (shape, texture, str(rng.choice(SPEEDS, p=weights)))
        target = objects if i < num_objects else distractors
        target.append(_plan_object(kind, size, camera, [*objects, *distractors], rng))
    bursts, shake = _plan_degradations(difficulty, length, rng)
    return VideoPlan(
        *size, tuple(objects), tuple(distractors), bursts, shake, camera, strength,
        background_seed=int(rng.integers(2**31)))


def _condition(level: Level, rng: np.random.Generator) -> float:
    """Strength of a condition; 0 in the videos without it."""
    happens, strength = rng.random() < level.weight, rng.uniform(level.low, level.high)
    return float(strength) if happens else 0.0


def _camera_path(amplitude: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """(L, 2), a smooth sway of at most ``amplitude`` pixels."""
    period, phase = rng.uniform(16, 40, 2), rng.uniform(0, 2 * np.pi, 2)
    return amplitude * np.sin(2 * np.pi * np.arange(length)[:, None] / period + phase)


def _plan_object(kind: tuple[str, str, str], size: tuple[int, int], camera: np.ndarray,
                 others: list[ObjectPlan], rng: np.random.Generator) -> ObjectPlan:
    """Draw one object of a (shape, texture, speed) at random, away from the ``others``."""
    shape, texture, speed = kind
    length = len(camera)
    diameter = float(rng.uniform(0.3, 0.48)) * min(size)
    heading, step = rng.uniform(0, 2 * np.pi), rng.uniform(*_STEP[speed]) * diameter
    extent = np.array(size[::-1], dtype=float)
    margin = np.minimum(diameter / 2 + np.abs(camera).max(), 0.45 * extent)
    start = _farthest(rng.uniform(margin, extent - margin, (8, 2)),
                      [other.path[0] + camera[0] for other in others])
    velocity = step * np.array([np.cos(heading), np.sin(heading)])
    path = _bounce(start + velocity * np.arange(length)[:, None], margin, extent - margin)
    spin = rng.normal(0, 0.3) * step / diameter
    plate = np.concatenate([rng.uniform(-0.16, 0.16, 2), rng.uniform(0, np.pi, 1)])
    return ObjectPlan(
        shape, texture, speed, diameter,
        path=path - camera,
        angle=rng.uniform(0, 2 * np.pi) + spin * np.arange(length),
        colors=_draw_colors(shape, rng),
        phase=rng.random(2),
        plate=np.tile(plate, (length, 1)))


def _draw_colors(shape: str, rng: np.random.Generator) -> np.ndarray:
    """(2, 3) BGR of rim and middle; the hue tells the shape, never the texture."""
    hue = SHAPES.index(shape) / len(SHAPES) + rng.uniform(-0.05, 0.05)
    rim = hsv_to_rgb(hue % 1, rng.uniform(0.6, 0.95), rng.uniform(0.8, 1.0))
    return np.stack([255 * np.array(rim)[::-1], np.full(3, rng.uniform(110, 145))])


def _farthest(candidates: np.ndarray, taken: list[np.ndarray]) -> np.ndarray:
    """The candidate (of (N, 2)) whose nearest taken point is farthest away."""
    if not taken:
        return candidates[0]
    distances = np.linalg.norm(candidates[:, None] - np.stack(taken), axis=2).min(axis=1)
    return candidates[distances.argmax()]


def _bounce(position: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Fold positions (L, 2) into a box as if its walls reflected."""
    span = np.maximum(high - low, 1e-6)
    folded = np.mod(position - low, 2 * span)
    return low + np.where(folded > span, 2 * span - folded, folded)


def _plan_degradations(difficulty: Difficulty, length: int, rng: np.random.Generator
                       ) -> tuple[tuple[dict[str, float], ...], np.ndarray]:
    """Lay bursts of one degradation each between stretches of clean frames.

    Bursts are 3 to 7 frames long, so that clean frames of the same video are near. The first
    and the last frame of a longer burst have 60% of its strength.

    Returns:
        Strength by name per frame, and the direction of motion blur (L,) in radians.
    """
    frames: list[dict[str, float]] = [{} for _ in range(length)]
    shake = np.zeros(length)
    share = difficulty.degraded_fraction
    if share == 0:
        return tuple(frames), shake
    weights = np.array(difficulty.degradation_weights) / sum(difficulty.degradation_weights)
    position = -float(rng.uniform(0, 5 / share))
    while position < length:
        burst = int(rng.integers(3, 8))
        name = str(rng.choice(DEGRADATIONS, p=weights))
        level = getattr(difficulty, name)
        strength, angle = rng.uniform(level.low, level.high), rng.uniform(0, np.pi)
        first = round(position)
        for i in range(max(first, 0), min(first + burst, length)):
            edge = burst > 3 and i in (first, first + burst - 1)
            frames[i] = {name: round(float(strength * (0.6 if edge else 1.0)), 4)}
            shake[i] = angle
        gap = burst * (1 - share) / share
        position += burst + float(rng.uniform(0.6, 1.4)) * gap
    return tuple(frames), shake
