"""What the tools that look at a config share: its argument, how it is read, how they fail."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mmdet.utils import register_all_modules, replace_cfg_vals, update_data_root
from mmengine.config import Config, DictAction

from mmvod_plugins.checkpoints import CheckpointError
from mmvod_plugins.engine import complete_config
from mmvod_plugins.engine.where import find_config


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments ``config`` and ``--cfg-options`` of mmdet's tools."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='file, or name of an installed config')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='settings to replace')
    return parser


def read_config(args: argparse.Namespace) -> Config:
    """The config as a run sees it: with the options, and the references in its loaders.

    Raises:
        FileNotFoundError: If it is neither a file nor the name of an installed config.
        ValueError: If it names two reference policies that differ.
    """
    register_all_modules(init_default_scope=True)
    path = args.config if Path(args.config).is_file() else find_config(args.config)
    config = replace_cfg_vals(Config.fromfile(path))
    update_data_root(config)
    config.merge_from_dict(args.cfg_options or {})
    return complete_config(config)


def run_tool(work: Callable[[argparse.Namespace], object], args: argparse.Namespace) -> int:
    """Call the work of a tool; returns the exit code, after one sentence if it fails."""
    try:
        work(args)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)  # noqa: T201 a command
        return 130
    except (OSError, ValueError, TypeError, KeyError, ImportError, CheckpointError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        print(f'error: {text}', file=sys.stderr)  # noqa: T201 a command
        return 1
    return 0
