"""Specification of ToyVID: classes, degradations and settings."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

VERSION = 'toyvid-v3'
"""Name of the difficulty. Any change of the default pictures needs a new name."""

SHAPES = ('disk', 'square', 'star')
TEXTURES = ('checked', 'dotted', 'ringed', 'striped')

TOY_CLASSES = tuple(f'{texture}_{shape}' for texture in TEXTURES for shape in SHAPES)
"""The classes, alphabetical. Classes ``i``, ``i + 3``, ... share a shape and differ by texture."""

TOY_CATEGORIES = tuple(
    dict(id=i + 1, name=name, encode_name=f't{i + 1:08d}') for i, name in enumerate(TOY_CLASSES))
"""Entries of ``categories`` in the json; ``encode_name`` is the name in the xml, like a wnid."""

DEGRADATIONS = ('motion_blur', 'defocus', 'partial_occlusion', 'full_occlusion', 'rare_pose',
                'small_size')
"""What comes and goes within a video. A frame under any of these (or ``overlap``) is degraded."""

OVERLAP = 'overlap'
"""Recorded, never asked for: two objects cross and hide a part of each other."""

CONDITIONS = ('camera_motion', 'distractors')
"""What holds for a whole video. Recorded beside the degradations; does not make one."""

SPEEDS = ('slow', 'medium', 'fast')
"""Motion classes of ImageNet VID (motion IoU above 0.9, from 0.7 to 0.9, below 0.7)."""


@dataclass(frozen=True)
class Level:
    """Frequency and strength of a condition.

    Attributes:
        weight: Share among the degradations; for a condition the share of the videos, 0 to 1.
        low: Least strength, 1 being the nominal one.
        high: Largest strength.
    """

    weight: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.weight < 0 or self.low < 0 or self.high < self.low:
            raise ValueError(f'weight {self.weight}, strength {self.low} to {self.high}: '
                             'none may be negative and the first strength is the smaller one')


@dataclass(frozen=True)
class Difficulty:
    """The difficulty named ``VERSION``; every default is part of that name.

    Attributes:
        degraded_fraction: Share of the training frames under a degradation, 0 to 1.
        val_degraded_fraction: The same of the validation frames.
        motion_blur: Line blur of the frame; strength 1 is 16% of the shorter image side.
        defocus: Gaussian blur of the frame; strength 1 is a sigma of 5% of the shorter side.
        partial_occlusion: A plate hides the textured middle; strength 1 is 80% of the diameter.
        full_occlusion: A plate hides all but a rim; strength 1 is 90% of the diameter.
        rare_pose: The object shows its plain back, narrowed; strength 1 halves its width.
        small_size: The object recedes; strength 1 leaves 35% of its diameter.
        camera_motion: Strength 1 sways by 10% of the shorter side.
        distractors: Plain objects of the same shapes that belong to no class; strength is
            their number, rounded.
        slow: Weight of objects that move by 0.1% to 0.6% of their diameter per frame.
        medium: Weight of objects that move by 1.4% to 2.4%.
        fast: Weight of objects that move by 6% to 16%.
        max_objects: Most objects in a video.
    """

    degraded_fraction: float = 0.65
    val_degraded_fraction: float = 0.85
    motion_blur: Level = Level(1.0, 1.1, 1.6)
    defocus: Level = Level(1.0, 0.8, 1.2)
    partial_occlusion: Level = Level(1.0, 0.95, 1.1)
    full_occlusion: Level = Level(0.5, 0.9, 1.1)
    rare_pose: Level = Level(1.0, 0.8, 1.2)
    small_size: Level = Level(1.0, 1.0, 1.2)
    camera_motion: Level = Level(0.3, 0.5, 1.0)
    distractors: Level = Level(0.4, 1.0, 2.0)
    slow: float = 1.0
    medium: float = 1.0
    fast: float = 1.0
    max_objects: int = 3

    def __post_init__(self) -> None:
        for name in ('degraded_fraction', 'val_degraded_fraction'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} is {getattr(self, name)}, expected 0 to 1')
        if not 1 <= self.max_objects <= len(SHAPES):
            raise ValueError(f'max_objects is {self.max_objects}, expected 1 to {len(SHAPES)}: '
                             'the objects of a video have different shapes')
        if min(self.speed_weights) < 0 or sum(self.speed_weights) == 0:
            raise ValueError('the weights of slow, medium and fast motion are '
                             f'{self.speed_weights}: none may be negative, one must be above 0')
        degraded = self.degraded_fraction + self.val_degraded_fraction
        if degraded > 0 and sum(self.degradation_weights) == 0:
            raise ValueError('all degradations have weight 0: set degraded_fraction and '
                             'val_degraded_fraction to 0 too')
        for name in CONDITIONS:
            if getattr(self, name).weight > 1:
                raise ValueError(f'{name} has weight {getattr(self, name).weight}: it is the '
                                 'share of the videos, at most 1')

    def of_split(self, split: str) -> 'Difficulty':
        """The difficulty of the videos of a split: only ``degraded_fraction`` differs."""
        if split != 'val':
            return self
        return replace(self, degraded_fraction=self.val_degraded_fraction)

    @property
    def speed_weights(self) -> tuple[float, ...]:
        """Weights in the order of ``SPEEDS``."""
        return tuple(getattr(self, name) for name in SPEEDS)

    @property
    def degradation_weights(self) -> tuple[float, ...]:
        """Weights in the order of ``DEGRADATIONS``."""
        return tuple(getattr(self, name).weight for name in DEGRADATIONS)


@dataclass(frozen=True)
class ToyVidSpec:
    """Settings that determine the bytes of a ToyVID tree.

    Attributes:
        train_videos: Number of training videos.
        val_videos: Number of validation videos.
        stills: Number of DET-like still images.
        frames: Frames of a video.
        size: Height and width of the frames, in pixels.
        seed: Seed of everything drawn at random.
        quality: JPEG quality, 1 to 100.
        difficulty: What happens to the frames.
    """

    train_videos: int = 240
    val_videos: int = 24
    stills: int = 80
    frames: int = 40
    size: tuple[int, int] = (128, 160)
    seed: int = 0
    quality: int = 90
    difficulty: Difficulty = field(default_factory=Difficulty)

    def __post_init__(self) -> None:
        for name in ('train_videos', 'val_videos', 'stills', 'seed'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name} is {getattr(self, name)}, expected 0 or more')
        if not 1 <= self.frames <= 1_000_000:
            raise ValueError(f'frames is {self.frames}, expected 1 to 1000000')
        if min(self.size) < 32:
            raise ValueError(f'size is {self.size}, expected at least 32 pixels each way')
        if not 1 <= self.quality <= 100:
            raise ValueError(f'quality is {self.quality}, expected 1 to 100')

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the version, as recorded in the output."""
        record = asdict(self)
        record['size'] = list(self.size)
        standard = self.difficulty == Difficulty()
        return dict(version=VERSION if standard else f'{VERSION}-custom', **record)
