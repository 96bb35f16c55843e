"""Convert CVAT for video 1.1, a file or zip for each video, to COCO-VID (see docs/own_data.md)."""

import argparse
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from own_data import LabelledVideo, build_parser, frames_of, run, with_tracks

from mmvod_plugins.results.cvat import from_cvat
from mmvod_plugins.utils.names import VIDEO_SUFFIXES


def read_text(path: Path) -> str:
    """The XML text of a file or of a zip with ``annotations.xml``.

    Raises:
        ValueError: If it is neither.
    """
    try:
        if path.suffix.lower() != '.zip':
            return path.read_text(encoding='utf-8-sig')
        with zipfile.ZipFile(path) as archive:
            return archive.read('annotations.xml').decode('utf-8-sig')
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is no export of CVAT: expected XML text, or a zip with '
                         f'annotations.xml ({error})') from error


def videos(args: argparse.Namespace) -> Iterator[LabelledVideo]:
    """The video of each file."""
    files = [args.source] if not args.source.is_dir() else sorted(
        path for path in args.source.iterdir() if path.suffix.lower() in ('.xml', '.zip'))
    if not files:
        raise ValueError(f'{args.source} has no .xml or .zip files')
    for path in files:
        found = from_cvat(read_text(path), None, str(path), interpolate=True)
        if not found.videos:
            warnings.warn(f'{path} has no boxes of tracks: its video has no objects', stacklevel=2)
            yield LabelledVideo(path.stem, frames_of(args.img_root, [path.stem]))
            continue
        [video] = found.videos
        name = path.stem if video.video_id == str(path) else str(video.video_id)
        stem = Path(name).stem if Path(name).suffix.lower() in VIDEO_SUFFIXES else name
        frames = frames_of(args.img_root, [name, stem, path.stem])
        yield LabelledVideo(stem, list(with_tracks(frames, video, found.classes, str(path))))


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = build_parser(__doc__, 'an .xml or .zip, or a folder of them; the name of the task, or '
                          'that of the file, is the name of the video below --img-root')
    return run(parser.parse_args(argv), videos)


if __name__ == '__main__':
    sys.exit(main())
