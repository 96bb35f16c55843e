"""Rendering of the frames of a planned video."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .plan import ObjectPlan, VideoPlan
from .spec import OVERLAP, SHAPES
from .sprites import CANVAS, EXTENT, outline, sprite

MIN_VISIBLE = 0.05
"""Objects that show less of their area are not annotated, as in ImageNet VID."""

_OVERLAP_BELOW = 0.7
"""A frame counts as degraded by overlap if an object shows less of its area than this."""


@dataclass(frozen=True)
class FrameObject:
    """An annotated object.

    Attributes:
        track_id: Position among the objects of the video, from 0.
        category_id: From 1, as in ``TOY_CATEGORIES``.
        box: xmin, ymin, xmax, ymax in whole pixels, of the whole object within the image.
        visible: Share of its area that can be seen, 0 to 1.
    """

    track_id: int
    category_id: int
    box: tuple[int, int, int, int]
    visible: float

    @property
    def occluded(self) -> bool:
        """Value of ``<occluded>`` in the xml."""
        return self.visible < 0.75


@dataclass(frozen=True)
class Frame:
    """A rendered frame.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        objects: Annotated objects.
        degradations: Strength by name.
    """

    image: np.ndarray
    objects: tuple[FrameObject, ...]
    degradations: dict[str, float]


def render_frame(plan: VideoPlan, frame_id: int) -> Frame:
    """Draw one frame; it does not depend on which frames were drawn before."""
    active = plan.degradations[frame_id]
    image = _background(plan, frame_id)
    layers, owners = [], []
    for item in plan.distractors:
        layers.append(_object_layer(plan, item, frame_id))
        owners.append(-1)
    for track_id, item in enumerate(plan.objects):
        layers.append(_object_layer(plan, item, frame_id))
        owners.append(track_id)
    for item in (*plan.objects, *plan.distractors):
        plate = _plate_layer(plan, item, frame_id)
        if plate is not None:
            layers.append(plate)
            owners.append(-1)
    for layer in layers:
        image = image * (1 - layer[..., 3:]) + layer[..., :3]
    visible = _visible_shares(plan, layers, owners, frame_id)
    degradations = dict(active)
    if not active and min(visible) < _OVERLAP_BELOW:
        degradations[OVERLAP] = round(1 - min(visible), 4)
    objects = [_annotate(plan, track_id, share, frame_id) for track_id, share in enumerate(visible)]
    image = _blur(image, active, float(plan.shake[frame_id]))
    return Frame(
        np.clip(np.rint(image), 0, 255).astype(np.uint8),
        tuple(item for item in objects if item is not None), degradations)


def _background(plan: VideoPlan, frame_id: int) -> np.ndarray:
    """(H, W, 3) float32 part of a large soft picture that the camera sees."""
    margin = int(np.ceil(0.25 * min(plan.height, plan.width)))
    picture = _scenery(plan.background_seed, plan.height + 2 * margin, plan.width + 2 * margin)
    x, y = plan.camera[frame_id]
    shift = np.array([[1, 0, -margin - x], [0, 1, -margin - y]], np.float64)
    return 85 + cv2.warpAffine(
        picture, shift, (plan.width, plan.height), borderMode=cv2.BORDER_REFLECT)


@lru_cache(maxsize=2)
def _scenery(seed: int, height: int, width: int) -> np.ndarray:
    """(height, width, 3) float32 soft noise around 0, in three scales."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, swing in ((4, 32), (12, 12), (40, 8)):
        noise = rng.uniform(-swing, swing, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    picture.setflags(write=False)
    return picture


def _pose(plan: VideoPlan, item: ObjectPlan, frame_id: int) -> tuple[np.ndarray, float]:
    """(2, 2) map from radii of the object to pixels, and how much of its back is seen."""
    active = plan.degradations[frame_id]
    radius = item.diameter / 2 * (1 - 0.65 * min(active.get('small_size', 0), 1.2))
    turned = active.get('rare_pose', 0)
    width = 1 - 0.5 * min(turned, 1.4)
    cos, sin = np.cos(item.angle[frame_id]), np.sin(item.angle[frame_id])
    rotation = np.array([[cos, -sin], [sin, cos]])
    return radius * rotation * np.array([width, 1.0]), min(1.0, turned / 0.6)


def _object_layer(plan: VideoPlan, item: ObjectPlan, frame_id: int) -> np.ndarray:
    """(H, W, 4) float32 picture of one object, colours multiplied by the opacity."""
    matrix, fade = _pose(plan, item, frame_id)
    colors = tuple(map(tuple, item.colors.tolist()))
    picture = sprite(item.shape, item.texture, tuple(item.phase.tolist()), fade, colors)
    return _place(plan, picture, matrix, item.path[frame_id])


def _place(plan: VideoPlan, picture: np.ndarray, matrix: np.ndarray,
           center: np.ndarray) -> np.ndarray:
    """Warp a sprite into the frame; it is shrunk by area first, so that nothing aliases."""
    radius = np.linalg.norm(matrix, axis=0).max()
    side = int(np.clip(np.ceil(2 * EXTENT * radius * 1.25), 8, CANVAS))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    # The sprite's pixel p lies at (p + 0.5) / side * 2 * EXTENT - EXTENT radii.
    linear = matrix * (2 * EXTENT / side)
    offset = center - 0.5 + linear @ np.array([0.5, 0.5]) - matrix @ np.array([EXTENT, EXTENT])
    affine = np.concatenate([linear, offset[:, None]], axis=1)
    return cv2.warpAffine(small, affine, (plan.width, plan.height), flags=cv2.INTER_LINEAR)


def _plate_layer(plan: VideoPlan, item: ObjectPlan, frame_id: int) -> np.ndarray | None:
    """(H, W, 4) float32 picture of the plate before an object; None without occlusion."""
    active = plan.degradations[frame_id]
    partial, full = active.get('partial_occlusion', 0), active.get('full_occlusion', 0)
    if not partial and not full:
        return None
    shift, turn = item.plate[frame_id, :2], item.plate[frame_id, 2]
    half = item.diameter / 2 * (0.8 * partial or 0.9 * full)
    center = item.path[frame_id] + (shift * item.diameter if full else 0)
    rng = np.random.default_rng([plan.background_seed, SHAPES.index(item.shape)])
    grain = rng.uniform(50, 130, (12, 12, 1)) * np.ones(3)
    look = cv2.resize(grain.astype(np.float32), (CANVAS, CANVAS), interpolation=cv2.INTER_LINEAR)
    corners = np.round((np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) + EXTENT)
                       * (CANVAS - 1) / (2 * EXTENT)).astype(np.int32)
    opacity = np.zeros((CANVAS, CANVAS), np.float32)
    cv2.fillPoly(opacity, [corners], 1.0)
    picture = np.concatenate([look * opacity[..., None], opacity[..., None]], axis=2)
    cos, sin = np.cos(turn), np.sin(turn)
    return _place(plan, picture, half * np.array([[cos, -sin], [sin, cos]]), center)


def _visible_shares(plan: VideoPlan, layers: list[np.ndarray], owners: list[int],
                    frame_id: int) -> list[float]:
    """Share of each object's area that no later layer and no image border hides."""
    shares = [0.0] * len(plan.objects)
    clear = np.ones((plan.height, plan.width), np.float32)
    for layer, owner in zip(reversed(layers), reversed(owners), strict=True):
        if owner >= 0:
            matrix, _ = _pose(plan, plan.objects[owner], frame_id)
            area = _area(outline(plan.objects[owner].shape)) * float(abs(np.linalg.det(matrix)))
            shares[owner] = min(1.0, float((layer[..., 3] * clear).sum()) / area)
        clear = clear * (1 - layer[..., 3])
    return shares


def _area(points: np.ndarray) -> float:
    """Area of a polygon (P, 2)."""
    x, y = points.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _annotate(plan: VideoPlan, track_id: int, visible: float,
              frame_id: int) -> FrameObject | None:
    """The box of an object; None if too little of it can be seen."""
    item = plan.objects[track_id]
    matrix, _ = _pose(plan, item, frame_id)
    points = outline(item.shape) @ matrix.T + item.path[frame_id]
    limit = np.array([plan.width - 1, plan.height - 1])
    low = np.clip(np.floor(points.min(axis=0)), 0, limit).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)), 0, limit).astype(int)
    if visible < MIN_VISIBLE or min(high - low) < 2:
        return None
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return FrameObject(track_id, item.category_id, box, round(visible, 4))


def _blur(image: np.ndarray, active: dict[str, float], angle: float) -> np.ndarray:
    """Apply motion blur along ``angle`` (radians) or defocus to a frame (H, W, 3)."""
    side = min(image.shape[:2])
    if 'defocus' in active:
        image = cv2.GaussianBlur(image, (0, 0), 0.05 * side * active['defocus'])
    if 'motion_blur' in active:
        half = 0.08 * side * active['motion_blur']
        size = 2 * int(np.ceil(half)) + 1
        axis = np.arange(size) - size // 2
        x, y = np.meshgrid(axis, axis)
        along = np.abs(x * np.cos(angle) + y * np.sin(angle))
        across = np.abs(y * np.cos(angle) - x * np.sin(angle))
        kernel = np.clip(half + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
        image = cv2.filter2D(image, -1, (kernel / kernel.sum()).astype(np.float32),
                             borderType=cv2.BORDER_REFLECT)
    return image
