"""The result of translating a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Conversion:
    """A translated checkpoint; every key of the file is mapped or dropped.

    Attributes:
        method: Name of the method that the file holds.
        state_dict: Weights under our names.
        mapped: Our name for every key of the file that was mapped.
        dropped: Reason for every key of the file that was not.
    """

    method: str
    state_dict: dict[str, Tensor] = field(default_factory=dict)
    mapped: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
