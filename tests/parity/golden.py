"""Recorded numbers: where they are, and how results compare with them."""

from __future__ import annotations

import importlib.util
import json
import os
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT.parent / 'shared' / 'golden'
GOLDEN = Path(os.environ.get('MMVOD_GOLDEN', DEFAULT))

#: Worst error of every case that ran, for the summary at the end of the session.
WORST: dict[str, str] = {}


def record_sets(pattern: str) -> list[Path]:
    """Folders below the golden folder that hold files of a pattern."""
    return sorted({path.parent for path in GOLDEN.rglob(pattern)}) if GOLDEN.is_dir() else []


def cases(pattern: str, **marks: Any) -> list[Any]:
    """A parameter for every file of a pattern, named as in ``mega_pytorch/e2e_base``."""
    if not GOLDEN.is_dir():
        return no_cases(1)
    found = sorted(GOLDEN.rglob(pattern))
    return [pytest.param(path, id=case_name(path), **marks) for path in found]


def no_cases(number: int) -> list[Any]:
    """For a test of ``number`` parameters without golden data: one that is skipped."""
    if GOLDEN.is_dir():
        return []
    reason = f'no golden data: set MMVOD_GOLDEN to their folder (looked in {GOLDEN.name})'
    skip = pytest.mark.skip(reason=reason)
    return [pytest.param(*[None] * number, marks=skip, id='no-golden-data')]


def case_name(path: Path) -> str:
    """``mega_pytorch/e2e_base`` for the file of this case."""
    relative = path.relative_to(GOLDEN).with_suffix('')
    return str(relative) if relative.parent.name else f'{GOLDEN.name}/{relative}'


@lru_cache(maxsize=8)
def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file."""
    with np.load(path) as data:
        return dict(data)


@lru_cache(maxsize=8)
def meta(folder: Path) -> dict[str, Any]:
    """Facts and tolerances of a set."""
    return json.loads((folder / 'meta.json').read_text())


@lru_cache(maxsize=2)
def helper(name: str) -> ModuleType:
    """``weights`` or ``compare``, the programs beside the data."""
    places = [GOLDEN, *GOLDEN.parents, DEFAULT]
    path = next((place / f'{name}.py' for place in places if (place / f'{name}.py').exists()), None)
    if path is None:
        pytest.skip(f'{name}.py is not beside the golden data')
    spec = importlib.util.spec_from_file_location(f'golden_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def published_weights(folder: Path, model: str, seed: int) -> dict[str, torch.Tensor]:
    """A state dict under the published names."""
    shapes = json.loads((folder / f'{model}.keys.json').read_text())['shapes']
    weights = helper('weights').make_weights(shapes, seed)
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    constant = set(shapes) - set(state)
    return state | {name: torch.zeros(shapes[name]) for name in constant}


def assert_near(case: str, name: str, mine: torch.Tensor | np.ndarray, golden: np.ndarray,
                tolerance: float = 1e-5) -> None:
    """Compare with a tolerance relative to the largest value, and remember the error."""
    mine = np.asarray(mine, dtype=np.float64)
    assert mine.shape == golden.shape, f'{name}: {mine.shape} instead of {golden.shape}'
    limit = max(float(np.abs(golden).max(initial=0)), 1e-12)
    worst = float(np.abs(mine - golden).max(initial=0)) / limit
    note(f'{case} {name}', f'{worst:.1e} of the largest value, limit {tolerance:.0e}')
    assert worst <= tolerance, f'{name}: off by {worst:.1e} of the largest value'


def note(case: str, text: str) -> None:
    """Remember the worst error of a case."""
    WORST[case] = text
