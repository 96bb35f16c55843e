"""The published formats of checkpoints, and how a file is recognised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .conversion import Conversion, unwrap
from .mega_pytorch import convert_mega_pytorch, is_mega_pytorch
from .mmtracking import convert_mmtracking, is_mmtracking


@dataclass(frozen=True)
class Format:
    """How the files of a program are recognised and translated.

    Attributes:
        name: Name of the program.
        matches: Whether weights, unwrapped, have its names.
        convert: Translates them.
    """

    name: str
    matches: Callable[[Mapping[str, Tensor]], bool]
    convert: Callable[[Mapping[str, Tensor]], Conversion]


#: Every known format, first match first.
FORMATS: tuple[Format, ...] = (
    Format('mega.pytorch', is_mega_pytorch, convert_mega_pytorch),
    Format('MMTracking', is_mmtracking, convert_mmtracking),
)


def recognise(weights: Mapping[str, Tensor]) -> Format | None:
    """The format of unwrapped weights, None for weights under names of our own or mmdet's."""
    return next((known for known in FORMATS if known.matches(weights)), None)


def convert(checkpoint: Mapping[str, Any]) -> Conversion:
    """Translate a published file, wrapped or not.

    Raises:
        ValueError: If it is of no known format, or of a method that cannot be translated.
    """
    weights = unwrap(checkpoint)
    found = recognise(weights)
    if found is None:
        names = ', '.join(known.name for known in FORMATS)
        raise ValueError(f'the checkpoint is of no published format that is known ({names}): its '
                         f'first keys are {sorted(map(str, weights))[:3]}. Files of this package '
                         'and of mmdet need no conversion')
    return found.convert(weights)
