"""Reading of checkpoint files without running code that they may contain."""

from __future__ import annotations

import hashlib
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dist import barrier, get_rank
from mmengine.logging import HistoryBuffer

from .conversion import wrapped_state_dict

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ADDRESSES = ('http://', 'https://')
REFUSED = (
    '{path} holds more than weights: loading it would run {names}. Nothing was run. If you trust '
    'its source, add --trust (in Python trust=True), or write a plain copy once: python '
    'tools/model_converters/convert_checkpoint.py {path} COPY.pth --trust')


class CheckpointError(ValueError):
    """A checkpoint file that is missing, damaged, or would run code."""


def read_checkpoint(path: str | Path, map_location: Any = 'cpu',  # noqa: ANN401 as torch.load
                    *, trust: bool = False) -> dict[str, Any]:
    """Read a checkpoint from a file or an http(s) address.

    Args:
        path: File or address; a download is cached in torch's hub folder.
        map_location: As in ``torch.load``.
        trust: Whether the file may run code.

    Raises:
        CheckpointError: If there is no such file, it is damaged or no checkpoint, or holds more
            than what mmengine writes and is not trusted.
        OSError: If it cannot be read or downloaded.
    """
    file = download(str(path)) if str(path).startswith(ADDRESSES) else Path(path).expanduser()
    check_file(file, whole=True)
    try:
        content = _unpickle(file, map_location, trust=trust)
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError,
            AttributeError, ImportError, TypeError) as error:
        names = [] if trust else _globals_of(file, str(error))
        if names and isinstance(error, pickle.UnpicklingError):
            raise CheckpointError(REFUSED.format(path=path, names=', '.join(names))) from error
        reason = str(error).partition('\n')[0]
        raise CheckpointError(f'{path} cannot be read as a checkpoint: it is damaged, or another '
                              f'program wrote it ({type(error).__name__}: {reason})') from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f'{path} holds a {type(content).__name__}, expected a dict with '
                              'state_dict, or of weights')
    _check_numbers(content, path)
    return content


def _check_numbers(content: Mapping[str, Any], path: str | Path) -> None:
    """Raise for weights that are not a number: a model with them detects nothing, in silence."""
    bad = [key for key, value in wrapped_state_dict(content).items()
           if isinstance(value, torch.Tensor) and value.layout == torch.strided
           and value.dtype in FLOATS and torch.isnan(value).any()]
    if bad:
        raise CheckpointError(f'{path} holds NaN in {len(bad)} weights (the first: {bad[0]}): the '
                              'training that wrote it diverged; use an earlier checkpoint')


def check_file(path: str | Path, *, whole: bool = False) -> None:
    """Check that a local file can be a checkpoint, without unpickling it.

    Args:
        path: The file.
        whole: Whether to compare checksums, which reads the file.

    Raises:
        CheckpointError: If it is missing, empty, cut, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'the checkpoint {path} '
                              + ('is not a file' if path.exists() else 'does not exist'))
    size = path.stat().st_size
    with path.open('rb') as file:
        start = file.read(16)
    if not start:
        raise CheckpointError(f'the checkpoint {path} is empty (0 bytes): copy it again, or name '
                              'an earlier one')
    if not start.startswith((b'PK', b'\x80')):
        page = ', a web page' if start.lstrip().startswith(b'<') else ''
        raise CheckpointError(f'{path} is not a checkpoint: it starts with {start!r}{page}; '
                              'download the file itself')
    is_zip = start.startswith(b'PK')
    if is_zip and not zipfile.is_zipfile(path):
        raise CheckpointError(f'the checkpoint {path} is cut off or damaged ({size} bytes): copy '
                              'it again, or name an earlier one')
    if whole:
        _check_sums(path, is_zip=is_zip)


def _check_sums(path: Path, *, is_zip: bool) -> None:
    """Compare the checksums inside of a file, and the one that its name ends with."""
    if is_zip:
        try:
            with zipfile.ZipFile(path) as archive:
                member = archive.testzip()
                damage = f'checksum of {member}' if member else ''
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            # A changed byte in a header reads as another compression: NotImplementedError.
            damage = str(error) or type(error).__name__
        if damage:
            raise CheckpointError(f'the checkpoint {path} is damaged ({damage}): copy it again, or '
                                  'name an earlier one')
    named = re.search(r'-([0-9a-f]{8,})$', path.stem)
    if named is None:
        return
    digest = sha256(path)
    if digest.startswith(named[1]):
        return
    message = (f'{path}: the name promises a SHA-256 of {named[1]}..., the file has '
               f'{digest[:8]}')
    if not is_zip:  # without checksums inside
        raise CheckpointError(f'{message}: it is damaged or another file; download it again')
    # published_keys of mmengine's CheckpointHook puts another hash into the name
    warnings.warn(f'{message}: it may be another file than its name says', stacklevel=4)


def _unpickle(path: Path, map_location: Any, *, trust: bool) -> Any:  # noqa: ANN401
    if trust:
        return torch.load(path, map_location=map_location, weights_only=False)
    if hasattr(torch.serialization, 'safe_globals'):
        allowed = [(value, name) for name, value in ALLOWED.items()]
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location=map_location, weights_only=True)
    return torch.load(path, map_location=map_location, weights_only=False,
                      pickle_module=ALLOWED_ONLY)


def _method_of_history(owner: object, name: str) -> object:
    """What HistoryBuffers pickle ``getattr`` for; on other objects it could reach anything."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {owner!r}')
    return getattr(HistoryBuffer, name)


def _allowed() -> dict[str, Callable]:
    """Names that checkpoints of mmengine hold beside those that torch allows itself."""
    core = np._core if hasattr(np, '_core') else np.core
    names: dict[str, Callable] = {
        f'{module}.getattr': _method_of_history for module in ('builtins', '__builtin__')}
    for kind in (HistoryBuffer, ConfigDict, np.ndarray, np.dtype):
        names[f'{kind.__module__}.{kind.__name__}'] = kind
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        names[f'{module}._reconstruct'] = core.multiarray._reconstruct
        names[f'{module}.scalar'] = core.multiarray.scalar
    for code in '?bhilqBHILQefdU':
        kind = type(np.dtype(code))
        names[f'{kind.__module__}.{kind.__name__}'] = kind
    return names


ALLOWED = _allowed()
#: What torch allows itself, for versions whose ``weights_only`` takes no further names.
TORCH_NAMES = re.compile(
    r'torch\.(Size|device|Tensor|dtype|(b?float|complex|u?int)\d+|bool)|collections\.OrderedDict'
    r'|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)|torch\.nn\.parameter\.Parameter'
    r'|_codecs\.encode')


class _AllowedOnly(pickle.Unpickler):
    """Unpickler of the same names for a torch without ``safe_globals`` (before 2.5)."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 as in the base class
        full = f'{module}.{name}'
        if full in ALLOWED:
            return ALLOWED[full]
        if TORCH_NAMES.fullmatch(full):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f'GLOBAL {full}')


ALLOWED_ONLY = SimpleNamespace(
    __name__='allowed_only', Unpickler=_AllowedOnly,
    load=lambda file, **options: _AllowedOnly(file, **options).load())


def _globals_of(path: Path, message: str) -> list[str]:
    """Names that a refused file asks for and that are not allowed, from its pickle or torch."""
    found: dict[str, None] = {}
    texts: list[str] = []
    try:
        for code, value, _ in pickletools.genops(_pickle_of(path)):
            if code.name == 'GLOBAL':
                found[value.replace(' ', '.')] = None
            elif code.name == 'STACK_GLOBAL':
                found['.'.join(texts[-2:])] = None
            elif isinstance(value, str):
                texts.append(value)
    except (ValueError, LookupError, zipfile.BadZipFile):
        pass  # cut off, or no pickle of torch: the names so far, and that of torch's message
    names = [name for name in found if name not in ALLOWED and not TORCH_NAMES.fullmatch(name)
             and not re.fullmatch(r'torch\.\w*Storage', name)]
    named = re.search(r'(?:GLOBAL|class|function) (\S+)', message)
    return names[:5] or ([named[1]] if named else [])


def _pickle_of(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        # the old format: a magic number, a version and a description come first, as pickles
        with path.open('rb') as file:
            for _ in range(3):
                for _ in pickletools.genops(file):
                    pass
            return file.read()
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith('data.pkl'))
        return archive.read(name)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(address: str) -> Path:
    """File of an address in torch's hub folder; the first process downloads it.

    Raises:
        OSError: If there is no connection, with the address and what to do.
    """
    folder = Path(torch.hub.get_dir(), 'checkpoints')
    target = folder / Path(urlparse(address).path).name
    if get_rank() == 0 and not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(target), progress=False)
        except (URLError, TimeoutError, ConnectionError) as error:
            raise OSError(f'{address} cannot be downloaded ({error}): is there a connection to the '
                          'internet? Otherwise copy the file here and give it as --weights'
                          ) from error
    barrier()
    return target
