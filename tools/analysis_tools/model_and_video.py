"""Arguments of the tools that draw what a model does in one video."""

from __future__ import annotations

import argparse
from pathlib import Path


def model_and_video_parser(description: str, out: str) -> argparse.ArgumentParser:
    """A parser with model, video, output and device.

    Args:
        description: Of the tool.
        out: What ``--out`` may be.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--input', type=Path, required=True,
                        help='video file, or folder of images')
    parser.add_argument('--out', type=Path, required=True, help=out)
    parser.add_argument('--device', default='cpu')
    return parser
