"""Registry of the published checkpoint formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .conversion import Conversion, unwrap
from .mega_pytorch import convert_mega_pytorch, is_mega_pytorch
from .mmtracking import convert_mmtracking, is_mmtracking
from .yolov import convert_yolov, is_yolov


@dataclass(frozen=True)
class Format:
    """Recognition and translation of the files of one program.

    Attributes:
        name: Name of the program.
        matches: Returns whether unwrapped weights have the program's names.
        convert: Translates unwrapped weights.
    """

    name: str
    matches: Callable[[Mapping[str, Tensor]], bool]
    convert: Callable[[Mapping[str, Tensor]], Conversion]


#: Every known format; the first match counts.
FORMATS: tuple[Format, ...] = (
    Format('mega.pytorch', is_mega_pytorch, convert_mega_pytorch),
    Format('MMTracking', is_mmtracking, convert_mmtracking),
    Format('YOLOX and YOLOV', is_yolov, convert_yolov),
)


def recognise(weights: Mapping[str, Tensor]) -> Format | None:
    """Find the format of unwrapped weights; None for names of this package or of mmdet."""
    return next((known for known in FORMATS if known.matches(weights)), None)


def convert(checkpoint: Mapping[str, Any]) -> Conversion:
    """Translate the content of a published file, wrapped or not.

    Raises:
        ValueError: If it has no known format, or its method cannot be translated.
    """
    weights = unwrap(checkpoint)
    found = recognise(weights)
    if found is None:
        names = ', '.join(known.name for known in FORMATS)
        raise ValueError(f'the checkpoint is in no published format of {names}: its first keys are '
                         f'{sorted(map(str, weights))[:3]}. Files of this package and of mmdet '
                         'need no conversion')
    return found.convert(weights)
