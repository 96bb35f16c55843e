"""The logistic regression with which REPP says whether two boxes show the same object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .pair_features import PAIR_FEATURES, pair_features


@dataclass(frozen=True)
class LinkModel:
    """``P(match) = 1 / (1 + exp(-(intercept + coefficients . features)))``.

    ``tools/analysis_tools/fit_repp.py`` finds the numbers.

    Attributes:
        features: Names of pair features (:data:`~.pair_features.PAIR_FEATURES`).
        coefficients: One number per feature.
        intercept: Logit where all features are zero.

    Raises:
        ValueError: If a feature is not known or a number is missing.
    """

    features: Sequence[str]
    coefficients: Sequence[float]
    intercept: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.features if name not in PAIR_FEATURES]
        if unknown or not self.features:
            raise ValueError(f'link_model.features: {unknown or "none given"}; known are '
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
        """Build it from a config or from the json that ``fit_repp.py`` writes.

        Raises:
            ValueError: If keys are missing or not known.
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
        """Probability of every pair of boxes to be the same object, (n, m).

        Args:
            boxes_a: (n, 4), ``(x1, y1, x2, y2)`` in pixels of the image.
            boxes_b: (m, 4), of the next frame.
            img_shape: (height, width) of the image, None if not known.
        """
        features = pair_features(boxes_a, boxes_b, self.features, img_shape)
        return sigmoid(features @ np.asarray(self.coefficients, dtype=float) + self.intercept)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-logits))`` for logits of any size."""
    return 0.5 * (1 + np.tanh(0.5 * logits))
