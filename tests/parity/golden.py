"""Recorded numbers: where they are, and how results compare with them."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from .seeded_weights import make_weights

ROOT = Path(__file__).resolve().parents[2]
#: The compact set that every clone has.
BUNDLED = ROOT / 'tests' / 'data' / 'golden'

#: Worst error of every case that ran, for the summary at the end of the session.
WORST: dict[str, str] = {}


def folders() -> list[Path]:
    """Folders of recorded numbers: those of ``MMVOD_GOLDEN``, then the bundled one."""
    added = os.environ.get('MMVOD_GOLDEN', str(ROOT.parent / 'shared' / 'golden'))
    found = [Path(name).resolve() for name in added.split(os.pathsep) if name]
    return [folder for folder in dict.fromkeys([*found, BUNDLED]) if folder.is_dir()]


def find(pattern: str) -> list[Path]:
    """Files of a folder and name such as ``mega_pytorch/e2e_*.npz``, each case once.

    A bundled case may be cut short: it gives way to an added one of the same folder and name.
    """
    everything = [path for folder in folders()
                  for path in sorted(folder.rglob(Path(pattern).name)) if path.match(pattern)]
    added = {_folder_and_name(path) for path in everything if not path.is_relative_to(BUNDLED)}
    found = [path for path in dict.fromkeys(everything)
             if not path.is_relative_to(BUNDLED) or _folder_and_name(path) not in added]
    if not found:
        raise FileNotFoundError(
            f'no golden case matches {pattern}: expected at least one in {BUNDLED} '
            f'(searched {[str(folder) for folder in folders()]}); restore tests/data/golden')
    return found


def cases(pattern: str) -> list[Any]:
    """A parameter for every case of a pattern, named as in ``mega_pytorch/e2e_base``."""
    return [pytest.param(path, id=case_name(path)) for path in find(pattern)]


def record_sets(pattern: str) -> list[Path]:
    """Folders that hold the files of a pattern."""
    return [path.parent for path in find(pattern)]


def _folder_and_name(path: Path) -> str:
    """``mega_pytorch/e2e_base``, in whatever folder of recorded numbers it lies."""
    root = next(folder for folder in folders() if path.is_relative_to(folder))
    relative = path.relative_to(root).with_suffix('')
    return str(relative) if relative.parent.name else f'{root.name}/{relative}'


def case_name(path: Path) -> str:
    """The case's folder and name; cases of further added folders are told apart by theirs."""
    first, name = folders()[0], _folder_and_name(path)
    if path.is_relative_to(first) or path.is_relative_to(BUNDLED):
        return name
    root = next(folder for folder in folders() if path.is_relative_to(folder))
    return f'{root.name}/{name}'


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
def published_weights(folder: Path, model: str, seed: int) -> dict[str, torch.Tensor]:
    """A state dict under the published names."""
    shapes = json.loads((folder / f'{model}.keys.json').read_text())['shapes']
    state = {name: torch.from_numpy(array) for name, array in make_weights(shapes, seed).items()}
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
