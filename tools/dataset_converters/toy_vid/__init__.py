"""Rendering of ToyVID, a synthetic data set that behaves like ImageNet VID."""

from .spec import (
                   DEGRADATIONS,
                   SPEEDS,
                   TOY_CATEGORIES,
                   TOY_CLASSES,
                   VERSION,
                   Difficulty,
                   Level,
                   ToyVidSpec,
)

__all__ = [
    'DEGRADATIONS', 'SPEEDS', 'TOY_CATEGORIES', 'TOY_CLASSES', 'VERSION', 'Difficulty', 'Level',
    'ToyVidSpec'
]
