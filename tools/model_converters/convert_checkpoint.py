"""Convert a published checkpoint into a plain state dict under this package's names.

    python tools/model_converters/convert_checkpoint.py MEGA_R_101.pth mega_r101.pth

Published files also load as they are (``load_from``, tools/test.py). A converted one is smaller,
opens with torch.load(weights_only=True), and needs no further translation. With ``--trust`` any
other checkpoint is reduced to its weights, which then load without trust.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch

from mmvod_plugins.checkpoints import FORMATS, Conversion, convert, read_checkpoint, recognise
from mmvod_plugins.checkpoints.conversion import unwrap
from mmvod_plugins.utils.files import check_output, replacing


def translate(source: str, trust: bool) -> Conversion:
    """Read and translate a file; one of another program keeps its names if it is trusted.

    Raises:
        ValueError: If it cannot be read, or needs no conversion.
    """
    content = read_checkpoint(source, trust=trust)
    weights = unwrap(content)
    if trust and recognise(weights) is None:
        tensors = {key: value for key, value in weights.items() if isinstance(value, torch.Tensor)}
        dropped = dict.fromkeys(weights.keys() - tensors.keys(), 'not a tensor')
        return Conversion('unchanged', tensors, {key: key for key in tensors}, dropped)
    return convert(content)


def write(conversion: Conversion, destination: Path) -> None:
    """Write the weights of a conversion, whole or not at all."""
    with replacing(destination) as part:
        # copies: torch stores a slice with the whole tensor that it was cut from
        torch.save({key: value.clone() for key, value in conversion.state_dict.items()}, part)


def report(conversion: Conversion, *, every_key: bool) -> list[str]:
    """List what happened to the keys of a file, by reason or key by key."""
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
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source', help='published file or its http(s) address; programs: '
                        + ', '.join(known.name for known in FORMATS))
    parser.add_argument('destination', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace the destination')
    parser.add_argument('--trust', action='store_true',
                        help='open a file that holds more than tensors, which may run code')
    parser.add_argument('--keys', action='store_true', help='print every key')
    options = parser.parse_args(args)
    if options.destination.exists() and not options.overwrite:
        raise SystemExit(f'{options.destination} exists: choose another name or add --overwrite')
    try:
        check_output(options.destination, [options.source])
        conversion = translate(options.source, options.trust)
    except (OSError, ValueError) as error:
        named = options.source in str(error)
        raise SystemExit(str(error) if named else f'{options.source}: {error}') from error
    write(conversion, options.destination)
    print('\n'.join(report(conversion, every_key=options.keys)))
    print(f'{options.destination}: {len(conversion.state_dict)} tensors')
    return 0


if __name__ == '__main__':
    sys.exit(main())
