"""Print a whole config as a run sees it: with the model's references in every data loader.

    python tools/misc/print_config.py CONFIG [--save-path whole.py] [--cfg-options KEY=VALUE]

The config may be the name of an installed one.
"""

import argparse
import sys
from pathlib import Path

from mmvod_plugins.cli.tool import config_parser, read_config, run_tool
from mmvod_plugins.utils.files import check_output, replacing


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = config_parser(__doc__.split('\n')[0])
    parser.add_argument('--save-path', type=Path, help='file .py, .json or .yml')
    return parser.parse_args(argv)


def show(args: argparse.Namespace) -> None:
    """Print the config, and save it."""
    if args.save_path is not None:
        check_output(args.save_path, [args.config], ('.py', '.json', '.yml'))
    config = read_config(args)
    print(f'Config:\n{config.pretty_text}')
    if args.save_path is not None:
        with replacing(args.save_path) as part:
            config.dump(part)
        print(f'saved: {args.save_path}')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    return run_tool(show, parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
