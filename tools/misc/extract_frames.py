"""Write the frames of videos as images, frames/NAME/000000.jpg, for labelling or training."""

import argparse
import sys
from pathlib import Path

import cv2

from mmvod_plugins.utils.files import replacing
from mmvod_plugins.utils.names import VIDEO_SUFFIXES, natural_key
from mmvod_plugins.video_files import FrameReader
from mmvod_plugins.visualization.reading import check_count


def extract(path: Path, folder: Path, step: int, quality: int) -> int:
    """Write every ``step``-th frame of a video; returns the number of images.

    Raises:
        ValueError: If no frame can be decoded.
        OSError: If an image cannot be written.
    """
    count = 0
    for number, frame in enumerate(FrameReader(path)):
        count = number + 1
        if number % step == 0:
            _, content = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
            with replacing(folder / f'{number:06d}.jpg') as temporary:
                temporary.write_bytes(content)
    check_count(path, count)
    return -(-count // step)


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, help='a video file, or a folder of them')
    parser.add_argument('out', type=Path, help='folder of the folders of images')
    parser.add_argument('--step', type=int, default=1, metavar='N',
                        help='every N-th frame (default: 1); methods look at neighbours, so label '
                        'frames that follow each other')
    parser.add_argument('--quality', type=int, default=95, help='of JPEG (default: 95)')
    args = parser.parse_args(argv)
    if args.step < 1:
        parser.error(f'--step is {args.step}, expected 1 or more')
    files = [args.source] if not args.source.is_dir() else sorted(
        (path for path in args.source.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES),
        key=lambda path: natural_key(path.name))
    try:
        if not files:
            raise ValueError(f'{args.source} has no video files {VIDEO_SUFFIXES}')
        for path in files:
            count = extract(path, args.out / path.stem, args.step, args.quality)
            print(f'{args.out / path.stem}: {count} images')
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
