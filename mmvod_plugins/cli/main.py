"""Commands by name: our own, and the tools that come with the package."""

from __future__ import annotations

import argparse
import runpy
import signal
import sys
from collections.abc import Sequence

from mmvod_plugins.engine.where import installed_folder
from mmvod_plugins.version import __version__

from . import download, export, page, predict, predict_videos

#: Tools that a command starts, below the folder ``tools``.
TOOLS = dict(
    eval=('analysis_tools/eval_predictions.py', 'evaluate a file of predictions'),
    link=('postprocess.py', 'link, rescore and suppress the boxes of a file of predictions'),
    convert=('model_converters/convert_checkpoint.py', 'convert a published checkpoint'))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in TOOLS:
        return _run_tool(argv[0], argv[1:])
    parser = argparse.ArgumentParser(
        prog='mmvod', description='Video object detection with mmdet.')
    parser.add_argument('--version', action='version', version=f'mmvod_plugins {__version__}')
    commands = parser.add_subparsers(dest='command', required=True)
    predict.add_arguments(commands.add_parser(
        'predict', help='detect in videos, folders, cameras or addresses',
        description='Detect in videos, folders of frames, cameras or network addresses.'))
    page.add_arguments(commands.add_parser(
        'page', help='a page that shows predictions, beside the truth if there is one',
        description='Write a static page that shows predictions; it opens from the disk.'))
    predict_videos.add_arguments(commands.add_parser(
        'predict-videos', help='detect in many videos with any number of processes',
        description='Detect in many videos; start as many processes as you like.'))
    download.add_arguments(commands.add_parser(
        'download', help='download the published weights of a model',
        description='Download the published weights of a model, check their hash.'))
    export.add_arguments(commands.add_parser(
        'export', help='write a model for ONNX Runtime, which needs no torch',
        description='Write a video detector as ONNX graphs with a runtime without torch.'))
    for name, (_, text) in TOOLS.items():
        commands.add_parser(name, help=text)
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = {'predict': predict.predict, 'predict-videos': predict_videos.predict_videos,
           'page': page.page, 'download': download.download_weights, 'export': export.export}
    return run[args.command](args)


def _run_tool(name: str, argv: list[str]) -> int:
    """Run a tool as if it had been started itself."""
    try:
        script = installed_folder('tools') / TOOLS[name][0]
    except FileNotFoundError as error:
        sys.exit(str(error))
    before, sys.argv = sys.argv, [str(script), *argv]
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise
        return int(ended.code or 0)
    finally:
        sys.argv = before
    return 0
