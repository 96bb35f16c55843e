"""Make a small file of a checkpoint: no optimizer, its hash in the name.

    python tools/model_converters/publish_model.py work_dirs/x/iter_100.pth mega.pth

writes ``mega-1a2b3c4d.pth``. The checkpoint is read without running code that is in it.
"""

import argparse
import hashlib
import io
import sys
from pathlib import Path

import torch

from mmvod_plugins.checkpoints import read_checkpoint
from mmvod_plugins.cli.tool import run_tool
from mmvod_plugins.utils.files import check_output, replacing


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('in_file', type=Path)
    parser.add_argument('out_file', type=Path, help='.pth; the first eight digits of its sha256 '
                        'are added to the name')
    parser.add_argument('--save-keys', nargs='+', default=['meta', 'state_dict'])
    parser.add_argument('--trust', action='store_true', help='read a checkpoint that may run code')
    return parser.parse_args(argv)


def publish(args: argparse.Namespace) -> None:
    """Write the file.

    Raises:
        ValueError: If the checkpoint lacks a key.
    """
    check_output(args.out_file, suffixes=('.pth', ))
    checkpoint = read_checkpoint(args.in_file, trust=args.trust)
    missing = [key for key in args.save_keys if key not in checkpoint]
    if missing:
        raise ValueError(f'{args.in_file} has no {missing[0]!r}, it has {list(checkpoint)}')
    dropped = [key for key in checkpoint if key not in args.save_keys]
    content = io.BytesIO()
    torch.save({key: checkpoint[key] for key in args.save_keys}, content)
    digest = hashlib.sha256(content.getbuffer()).hexdigest()[:8]
    named = args.out_file.with_name(f'{args.out_file.stem}-{digest}.pth')
    with replacing(named) as part:
        part.write_bytes(content.getbuffer())
    print(f'{named}: {", ".join(args.save_keys)}; left out: {", ".join(dropped) or "nothing"}')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(publish, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
