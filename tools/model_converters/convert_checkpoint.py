"""Convert a published checkpoint once, into a plain state dict under this package's names.

    python tools/model_converters/convert_checkpoint.py MEGA_R_101.pth mega_r101.pth

Published files also load as they are (``load_from``, tools/test.py); a converted one is smaller,
opens with torch.load(weights_only=True), and needs no translation again.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from mmvod_plugins.checkpoints import FORMATS, Conversion, convert


def read(source: str, trust: bool) -> dict[str, Any]:
    """Content of a file or an address.

    Raises:
        SystemExit: If it is not there, or holds more than tensors and is not trusted.
    """
    try:
        if source.startswith(('http://', 'https://')):
            return torch.hub.load_state_dict_from_url(
                source, map_location='cpu', weights_only=not trust)
        return torch.load(source, map_location='cpu', weights_only=not trust)
    except OSError as error:
        raise SystemExit(f'{source} cannot be read: {error}') from error
    except pickle.UnpicklingError as error:
        raise SystemExit(f'{source} is damaged or holds more than tensors, and opening it may then '
                         'run code that it contains. If you trust where it comes from, add '
                         f'--trust. ({_found(str(error))})') from error


def _found(message: str) -> str:
    """Objects other than tensors that torch found, as far as it reports them."""
    named = re.search(r'(?:GLOBAL|class|global:?)\s+((?:\w+\.)+\w+)', message)
    return named[1] if named else message.splitlines()[0]


def write(conversion: Conversion, destination: Path) -> None:
    """Write the weights atomically."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f'{destination.name}.{os.getpid()}.part')
    try:
        # copies: a slice would be stored with all that it was cut from
        torch.save({key: value.clone() for key, value in conversion.state_dict.items()},
                   unfinished)
        unfinished.replace(destination)
    finally:
        unfinished.unlink(missing_ok=True)


def report(conversion: Conversion, *, every_key: bool) -> list[str]:
    """Lines that account for every key of the file."""
    lines = [f'method: {conversion.method}', f'mapped: {len(conversion.mapped)} keys']
    if every_key:
        lines += [f'  {theirs} -> {ours}' for theirs, ours in conversion.mapped.items()]
    lines.append(f'dropped: {len(conversion.dropped)} keys')
    lines += [f'  {count}: {why}' for why, count in Counter(conversion.dropped.values()).items()]
    if every_key:
        lines += [f'  {theirs}' for theirs in conversion.dropped]
    added = len(conversion.state_dict.keys() - set(conversion.mapped.values()))
    if added:
        lines.append(f'added: {added} keys (counters of batch norm, which the file does not have)')
    return lines


def main(args: list[str] | None = None) -> int:
    """Convert a file."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source', help='published file, or its http(s) address; formats: '
                        + ', '.join(known.name for known in FORMATS))
    parser.add_argument('destination', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace the destination')
    parser.add_argument('--trust', action='store_true',
                        help='open a file that holds more than tensors; it may run code')
    parser.add_argument('--keys', action='store_true', help='print every key')
    options = parser.parse_args(args)
    if options.destination.exists() and not options.overwrite:
        raise SystemExit(f'{options.destination} exists: choose another name or --overwrite')
    try:
        conversion = convert(read(options.source, options.trust))
    except ValueError as error:
        raise SystemExit(f'{options.source}: {error}') from error
    write(conversion, options.destination)
    print('\n'.join(report(conversion, every_key=options.keys)))
    print(f'{options.destination}: {len(conversion.state_dict)} tensors')
    return 0


if __name__ == '__main__':
    sys.exit(main())
