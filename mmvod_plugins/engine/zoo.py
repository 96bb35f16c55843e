"""Models by name: those of our metafiles and of mmdet's, their configs and published weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import mmdet
import yaml

from .where import PACKAGE, find_config, installed_folder

MMDET = Path(mmdet.__file__).resolve().parent


@dataclass(frozen=True)
class ZooModel:
    """A model of a metafile, or a config that none lists.

    Attributes:
        names: Its name and aliases.
        config: Its config.
        weights: Address of published weights that load as they are, or None.
        entry: The whole entry of the metafile. Of its own keys ``Weights Page`` is an address where
            weights can be downloaded by hand, and ``Weights License`` their terms.
    """

    names: tuple[str, ...]
    config: Path
    weights: str | None
    entry: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def sha256(self) -> str | None:
        """First digits of the hash of the weights, which end their file name; None if unknown."""
        found = re.search(r'-([0-9a-f]{8,64})\.pth$', self.weights or '')
        return found[1] if found else None


def zoo_models(package: Path = PACKAGE) -> Iterator[ZooModel]:
    """Models that the metafiles of an installed package list.

    Raises:
        FileNotFoundError: If it was installed without its configs.
    """
    root = installed_folder('configs', package).parent
    index = root / 'model-index.yml'
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    imports = yaml.load(index.read_text(), loader)['Import'] if index.is_file() else []
    for file in imports:
        content = yaml.load((root / file).read_text(encoding='utf-8'), loader)
        for model in content.get('Models', []) if isinstance(content, dict) else content:
            alias = model.get('Alias', [])
            names = (model['Name'], *([alias] if isinstance(alias, str) else alias))
            yield ZooModel(names, root / model['Config'], model.get('Weights'), model)


def find_entry(name: str | Path) -> ZooModel:
    """A model by name; one that no metafile lists has its config alone.

    Args:
        name: A config's path; or the name of a config or a model, or an alias, of this package or
            of mmdet, in this order.

    Raises:
        FileNotFoundError: If there is none, with similar names.
    """
    packages = (PACKAGE, MMDET)
    path = Path(name).resolve() if Path(name).is_file() else None
    known: list[str] = []
    for package in packages:
        if path is not None and installed_folder('configs', package).resolve() not in path.parents:
            continue
        for model in zoo_models(package):
            if str(name) in model.names or model.config.resolve() == path:
                return model
            known += model.names
    path = Path(name) if path is not None else _config(str(name), packages)
    if path is not None:
        return ZooModel((), path, None)
    similar = get_close_matches(str(name), known, 3, 0.5)
    raise FileNotFoundError(
        f'{name} is neither a file nor a config, model or alias of mmvod_plugins or mmdet'
        + (f'; similar names are {", ".join(similar)}' if similar else '')
        + '. `python -m mmvod_plugins.where configs` prints the folder of our configs')


def _config(name: str, packages: tuple[Path, ...]) -> Path | None:
    """A config that no metafile lists; not a part of one."""
    for package in packages:
        try:
            path = find_config(name, installed_folder('configs', package))
        except FileNotFoundError as error:
            if str(error).startswith('several'):
                raise
            continue
        if '_base_' not in path.parts:
            return path
    return None
