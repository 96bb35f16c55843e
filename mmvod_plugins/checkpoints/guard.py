"""Makes mmengine read checkpoints without running code that they contain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import checkpoint as stock
from mmengine.runner.checkpoint import CheckpointLoader

from .conversion import wrapped_state_dict
from .reading import ADDRESSES, CheckpointError, read_checkpoint

#: Schemes that name a file of a list, and mmengine's readers of these lists.
LISTS: dict[str, Callable[[], Mapping[str, str]]] = {
    'torchvision://': lambda: stock.get_torchvision_models(),
    'modelzoo://': lambda: stock.get_torchvision_models(),
    'open-mmlab://': lambda: stock.get_external_models(),
    'openmmlab://': lambda: stock.get_external_models(),
    'mmcls://': lambda: stock.get_mmcls_models(),
}
#: mmengine's readers of storage that needs a client of its own (s3, petrel, pavi).
UNCHECKED = {scheme: reader for scheme, reader in CheckpointLoader._schemes.items()
             if scheme not in ('', *ADDRESSES, *LISTS)}


def guard_mmengine(*, trust: bool = False) -> None:
    """Make mmengine read checkpoints with :func:`read_checkpoint`, in this process.

    mmengine's own readers unpickle a file that torch refuses, after a warning.

    Args:
        trust: Whether files may run code.
    """
    def load_from_checked(filename: str, map_location: Any = None,  # noqa: ANN401
                          **_: object) -> Mapping[str, Any]:
        return _load(filename, map_location, trust=trust)
    for scheme, reader in {**CheckpointLoader._schemes, **UNCHECKED}.items():
        unchecked = trust and scheme in UNCHECKED
        CheckpointLoader.register_scheme(scheme, reader if unchecked else load_from_checked,
                                         force=True)


def guard_mmengine_by_default() -> None:
    """:func:`guard_mmengine`, unless this process has called it before."""
    if CheckpointLoader._schemes[''].__module__ != __name__:
        guard_mmengine()


def _load(name: str, map_location: Any, *, trust: bool) -> Mapping[str, Any]:  # noqa: ANN401
    """Read the file that a name with or without scheme stands for.

    Raises:
        CheckpointError: If the scheme or the name is not known, or the file is refused.
    """
    scheme = next((scheme for scheme in LISTS if name.startswith(scheme)), None)
    if scheme is None:
        if '://' in name and not name.startswith(ADDRESSES):
            raise CheckpointError(f'{name} is not read: mmengine would unpickle it unchecked. '
                                  'Download the file and name it, or add --trust')
        return read_checkpoint(name, map_location, trust=trust)
    entry, known = name.removeprefix(scheme), LISTS[scheme]()
    if scheme.startswith('open'):
        entry = stock.get_deprecated_model_names().get(entry, entry)
    if entry not in known:
        raise CheckpointError(f'{name}: mmengine has no weights of this name under {scheme}; '
                              'correct it, or name a file')
    address = known[entry]
    if not address.startswith(ADDRESSES):  # entries that a user added to mmengine's list
        address = str(Path(stock._get_mmengine_home(), address))
    content = read_checkpoint(address, map_location, trust=trust)
    if scheme != 'mmcls://':
        return content
    prefix = 'backbone.'  # of a classifier
    return dict(state_dict={
        key.removeprefix(prefix): value for key, value in wrapped_state_dict(content).items()
        if key.startswith(prefix)})
