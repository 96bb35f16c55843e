"""Writing of the prediction page into a folder."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from tqdm import tqdm

from mmvod_plugins.utils.files import check_output, write_text

from .content import PageContent

#: In every ``index.html`` of ours, and in no other.
MARK = '<meta name="generator" content="mmvod_plugins prediction page">'
ASSETS = ('page.js', 'page.css')


def check_page(folder: Path) -> None:
    """Check that a page can be written, before the work that it is for.

    Raises:
        ValueError: If the folder has another page.
        OSError: If it is a file, or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'{folder} is a file: name a folder for the page')
    index = folder / 'index.html'
    if index.exists() and MARK not in index.read_text(encoding='utf-8', errors='replace'):
        raise ValueError(f'{index} is another page and would be overwritten: name another folder')
    check_output(index)


def write_page(folder: Path, content: PageContent, title: str) -> Path:
    """Write everything but the frames; ``index.html`` comes last.

    Args:
        folder: With the frames of the videos in ``frames/STEM``.
        content: What is shown.
        title: Title of the page.

    Returns:
        ``index.html``.
    """
    for v, video in enumerate(tqdm(content.videos, desc='boxes', unit='video', mininterval=1.0)):
        _write_script(folder / 'data' / f'{video.stem}.js', f'mmvodPage.addVideo({v}, ',
                      content.video(v))
    _write_script(folder / 'data' / 'index.js', 'mmvodPage.start(',
                  dict(content.index(), title=title))
    sources = files(__package__)
    for name in ASSETS:
        write_text(folder / name, sources.joinpath(name).read_text(encoding='utf-8'))
    index = folder / 'index.html'
    write_text(index, sources.joinpath('page.html').read_text(encoding='utf-8'))
    return index


def _write_script(path: Path, call: str, content: object) -> None:
    """A script that hands data over: a page from the disk may load scripts, but no JSON."""
    write_text(path, f'{call}{json.dumps(content, separators=(",", ":"), allow_nan=False)});\n')
