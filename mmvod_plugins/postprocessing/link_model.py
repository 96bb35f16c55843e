"""Link model of REPP: a logistic regression on features of two boxes of neighbouring frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmvod_plugins.structures.boxes import pairwise_iou

PairFeature = Callable[[np.ndarray, np.ndarray, 'tuple[int, int] | None'], np.ndarray]


def pair_features(boxes_a: np.ndarray, boxes_b: np.ndarray, names: Sequence[str],
                  img_shape: tuple[int, int] | None) -> np.ndarray:
    """Features of every pair of boxes, (n, m, F).

    Args:
        boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels of the image.
        boxes_b: (m, 4), of the next frame.
        names: Keys of :data:`PAIR_FEATURES`.
        img_shape: (height, width) of the image, or None.
    """
    boxes_a, boxes_b = boxes_a.astype(np.float64), boxes_b.astype(np.float64)
    features = [PAIR_FEATURES[name](boxes_a, boxes_b, img_shape) for name in names]
    return np.stack(features, axis=-1)


def iou(boxes_a: np.ndarray, boxes_b: np.ndarray,
        img_shape: tuple[int, int] | None) -> np.ndarray:
    """Intersection over union, (n, m)."""
    del img_shape
    return pairwise_iou(boxes_a, boxes_b)


def center_distance(boxes_a: np.ndarray, boxes_b: np.ndarray,
                    img_shape: tuple[int, int] | None) -> np.ndarray:
    """Distance of the centers in diagonals of the image, (n, m); in [0, 1] inside the image.

    Raises:
        ValueError: If ``img_shape`` is None.
    """
    if img_shape is None:
        raise ValueError('center_distance is measured in diagonals of the image, whose size is '
                         'unknown: set VideoDetections.img_shape (height and width in the '
                         'annotation file), or fit a link_model without center_distance')
    centers_a, centers_b = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (boxes_a, boxes_b))
    across, down = (centers_a[:, None, side] - centers_b[None, :, side] for side in (0, 1))
    return np.sqrt(across ** 2 + down ** 2) / np.hypot(*img_shape)


def width_ratio(boxes_a: np.ndarray, boxes_b: np.ndarray,
                img_shape: tuple[int, int] | None) -> np.ndarray:
    """Smaller width over larger width, (n, m), in [0, 1]."""
    del img_shape
    return _ratio(boxes_a[:, 2] - boxes_a[:, 0], boxes_b[:, 2] - boxes_b[:, 0])


def height_ratio(boxes_a: np.ndarray, boxes_b: np.ndarray,
                 img_shape: tuple[int, int] | None) -> np.ndarray:
    """Smaller height over larger height, (n, m), in [0, 1]."""
    del img_shape
    return _ratio(boxes_a[:, 3] - boxes_a[:, 1], boxes_b[:, 3] - boxes_b[:, 1])


def _ratio(lengths_a: np.ndarray, lengths_b: np.ndarray) -> np.ndarray:
    """Smaller over larger, (n, m); 1 where both are 0."""
    first, second = np.maximum(lengths_a, 0)[:, None], np.maximum(lengths_b, 0)[None]
    larger = np.maximum(first, second)
    return np.divide(np.minimum(first, second), larger, out=np.ones_like(larger),
                     where=larger > 0)


#: The published program also has a distance of appearance vectors, which our detections lack.
PAIR_FEATURES: dict[str, PairFeature] = {
    'iou': iou,
    'center_distance': center_distance,
    'width_ratio': width_ratio,
    'height_ratio': height_ratio,
}


@dataclass(frozen=True)
class LinkModel:
    """``P(match) = 1 / (1 + exp(-(intercept + coefficients . features)))``.

    ``tools/analysis_tools/fit_repp.py`` finds the numbers.

    Attributes:
        features: Names of pair features, keys of :data:`PAIR_FEATURES`.
        coefficients: One number per feature.
        intercept: Logit where all features are zero.

    Raises:
        ValueError: If a feature is unknown, or a number is missing or not finite.
    """

    features: Sequence[str]
    coefficients: Sequence[float]
    intercept: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.features if name not in PAIR_FEATURES]
        if unknown or not self.features:
            raise ValueError(f'link_model.features: {unknown or "none given"}; expected some of '
                             f'{list(PAIR_FEATURES)}')
        if len(self.coefficients) != len(self.features):
            raise ValueError(f'link_model has {len(self.coefficients)} coefficients for the '
                             f'{len(self.features)} features {list(self.features)}: give one for '
                             'each')
        if not np.all(np.isfinite([*self.coefficients, self.intercept])):
            raise ValueError(f'link_model: coefficients {list(self.coefficients)} and intercept '
                             f'{self.intercept} must be finite; fit them again')

    @staticmethod
    def from_config(config: LinkModel | dict[str, object]) -> LinkModel:
        """Build a model from a config or from the json that ``fit_repp.py`` writes.

        Raises:
            ValueError: If keys are missing or unknown.
        """
        if isinstance(config, LinkModel):
            return config
        expected = ('features', 'coefficients', 'intercept')
        if set(config) != set(expected):
            raise ValueError(f'link_model has the keys {sorted(config)}; expected are exactly '
                             f'{sorted(expected)}. tools/analysis_tools/fit_repp.py prints such '
                             'a config')
        return LinkModel(**config)

    def probability(self, boxes_a: np.ndarray, boxes_b: np.ndarray,
                    img_shape: tuple[int, int] | None) -> np.ndarray:
        """Probability that two boxes show the same object, for every pair, (n, m).

        Args:
            boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels of the image.
            boxes_b: (m, 4), of the next frame.
            img_shape: (height, width) of the image, or None.
        """
        features = pair_features(boxes_a, boxes_b, self.features, img_shape)
        return sigmoid(features @ np.asarray(self.coefficients, dtype=float) + self.intercept)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-logits))`` without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))
