"""Small operations on numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np

Rows = TypeVar('Rows')


def run_starts(*columns: np.ndarray) -> np.ndarray:
    """First row of every run of equal rows, (R,), int64.

    Args:
        *columns: One or several arrays (N,); a run ends where any of them changes.
    """
    new = np.ones(len(columns[0]), dtype=bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.flatnonzero(new)


def concatenate_fields(parts: Sequence[Rows]) -> Rows:
    """Concatenate dataclasses of arrays attribute by attribute.

    Args:
        parts: At least one; all of the same class.
    """
    return type(parts[0])(*(np.concatenate([getattr(part, field.name) for part in parts])
                            for field in fields(parts[0])))
