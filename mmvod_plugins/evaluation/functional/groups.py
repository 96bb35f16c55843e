"""Groups of objects that are evaluated separately: by motion, by size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ground_truth import GroundTruth
from .motion_iou import MotionIoU

Range = tuple[float, float]


@dataclass(frozen=True)
class Group:
    """Objects within a range; those outside are ignored. Without a range, all objects.

    Attributes:
        name: Key of the result.
        motion: Closed range of the motion IoU.
        area: Closed range of the annotated area, in pixels.
    """

    name: str
    motion: Range | None = None
    area: Range | None = None

    def __post_init__(self) -> None:
        if self.motion is not None and self.area is not None:
            raise ValueError(f'group {self.name!r} has a range of motion and one of area; make '
                             'two groups')

    def contains(self, truth: GroundTruth, motion: MotionIoU | None) -> np.ndarray:
        """Mask of the objects in the range, (M,), bool.

        Raises:
            ValueError: If the group needs motion values and there are none for these boxes.
        """
        if self.motion is not None:
            return _within(self._motion_values(truth, motion).values, self.motion)
        if self.area is not None:
            return _within(truth.areas, self.area)
        return np.ones(len(truth.boxes), dtype=bool)

    def share(self, truth: GroundTruth, motion: MotionIoU | None) -> float:
        """Share of all objects that lie in the range; crowds are no objects.

        For motion groups a frame without objects counts as an object of motion 0, as in the
        published evaluations.
        """
        inside = self.contains(truth, motion)[~truth.crowd]
        if self.motion is None:
            return float(inside.mean()) if inside.size else 1.0
        num_empty = self._motion_values(truth, motion).num_empty
        zeros_inside = num_empty if self.motion[0] <= 0 <= self.motion[1] else 0
        return (int(inside.sum()) + zeros_inside) / max(len(inside) + num_empty, 1)

    def _motion_values(self, truth: GroundTruth, motion: MotionIoU | None) -> MotionIoU:
        if motion is None or len(motion.values) != len(truth.boxes):
            found = 'none' if motion is None else f'{len(motion.values)} values'
            raise ValueError(f'group {self.name!r} needs the motion IoU of {len(truth.boxes)} '
                             f'boxes, found {found}; pass motion_iou(truth) or the values of '
                             "FGFA's file")
        return motion


def _within(values: np.ndarray, limits: Range) -> np.ndarray:
    return (values >= limits[0]) & (values <= limits[1])


ALL = Group('all')
#: FGFA's groups; all published code includes both ends.
MOTION_GROUPS = (Group('slow', motion=(0.9, 1.0)), Group('medium', motion=(0.7, 0.9)),
                 Group('fast', motion=(0.0, 0.7)))
#: COCO's groups of object size.
AREA_GROUPS = (Group('area_small', area=(0.0, 32.0**2)),
               Group('area_medium', area=(32.0**2, 96.0**2)),
               Group('area_large', area=(96.0**2, 1e10)))
