"""Videos with labels of any format, and the command line that their converters share."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from checked_output import write_checked
from coco_vid import CocoVidBuilder, VidObject
from coco_vid_rules import check_coco_vid
from PIL import Image, ImageOps
from problems import report

from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.files import check_output
from mmvod_plugins.utils.names import VIDEO_SUFFIXES
from mmvod_plugins.video_files import FrameReader
from mmvod_plugins.visualization.reading import check_count, images_of


@dataclass(frozen=True)
class LabelledFrame:
    """A frame.

    Attributes:
        file_name: Path below the image folder, or ``clip.mp4#17``.
        size: Height and width.
        objects: Its objects; ``encode_name`` is the class.
    """

    file_name: str
    size: tuple[int, int]
    objects: Sequence[VidObject] = ()


@dataclass(frozen=True)
class LabelledVideo:
    """A video, with all its frames in order."""

    name: str
    frames: Sequence[LabelledFrame]


def build_parser(description: str | None, source: str) -> argparse.ArgumentParser:
    """The common options.

    Args:
        description: Docstring of the converter.
        source: What its first argument is.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('source', type=Path, help=source)
    parser.add_argument('out', type=Path, help='COCO-VID json to write')
    parser.add_argument('--img-root', type=Path, required=True, metavar='DIR',
                        help='folder of the images or video files; data_prefix of the config')
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='classes in this order, others are left out; by default all labels in '
                        'alphabetical order')
    parser.add_argument('--videos', nargs='+', metavar='PATTERN',
                        help="convert the videos whose names fit, for instance 'train_*'")
    parser.add_argument('--check', action='store_true',
                        help='write nothing; print every problem and warning of what would be '
                        'written, the images included')
    parser.add_argument('--write-faulty', action='store_true',
                        help='write the file although the validator finds errors in it')
    return parser


def run(args: argparse.Namespace,
        read: Callable[[argparse.Namespace], Iterable[LabelledVideo]]) -> int:
    """Convert or check; returns the exit code.

    Args:
        args: Of :func:`build_parser`.
        read: Gives the videos; raises ``ValueError`` or ``OSError`` that names the file.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            if not args.check:
                check_output(args.out, [args.source])
            if not args.img_root.is_dir():
                raise ValueError(f'--img-root {args.img_root} is no folder')
            content = to_coco_vid(list(read(args)), args.classes, args.videos)
        for item in caught:
            print(f'warning: {item.message}', file=sys.stderr)
        if args.check:
            problems = check_coco_vid(content, args.img_root)
            print(*report(problems), sep='\n')
            return int(any(item.is_error for item in problems))
        return int(not write_checked(args.out, content, write_faulty=args.write_faulty,
                                     remedy=f'correct the labels in {args.source}'))
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1


def to_coco_vid(videos: Sequence[LabelledVideo], classes: Sequence[str] | None = None,
                patterns: Sequence[str] | None = None) -> dict[str, Any]:
    """The content of a COCO-VID json.

    Args:
        videos: All of them.
        classes: Names; None: all labels, also of videos that are left out, so that two parts of a
            data set have the same classes.
        patterns: Of the names of videos to convert; None for all.

    Raises:
        ValueError: If there is no video or no label.
    """
    found = {item.encode_name for video in videos for frame in video.frames
             for item in frame.objects}
    chosen = [video for video in videos
              if patterns is None or any(fnmatch(video.name, pattern) for pattern in patterns)]
    if not chosen:
        raise ValueError(f'no video has a name that fits {patterns}: there are '
                         f'{", ".join(video.name for video in videos[:5]) or "none"}')
    if not found or not found.intersection(classes or found):
        raise ValueError(f'the labels have none of the classes {classes}: there are '
                         f'{", ".join(sorted(found)) or "none at all"}')
    builder = CocoVidBuilder(dict(id=number, name=name, encode_name=name)
                             for number, name in enumerate(classes or sorted(found), 1))
    for video in chosen:
        builder.add_video(video.name, range(len(video.frames)))
        for frame_id, frame in enumerate(video.frames):
            builder.add_frame(frame.file_name, frame.size, frame_id)
            for item in frame.objects:
                builder.add_object(item)
    return builder.to_dict()


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is loaded, turned by its EXIF orientation.

    Raises:
        ValueError: If it is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size if image.getexif().get(
                0x0112, 1) != 1 else image.size
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path} is no image ({error}): restore it or move it away') from error
    return height, width


def frames_of(img_root: Path, names: Sequence[str]) -> list[LabelledFrame]:
    """Frames of a video: a folder of images, or a video file, whose frames are ``clip.mp4#17``.

    Args:
        img_root: Folder of the images or video files.
        names: Names that the video may have, the first that exists is taken; ``NAME/img1`` is
            a folder, too.

    Raises:
        ValueError: If there is none, or it cannot be read.
    """
    for name in names:
        for folder in (img_root / name, img_root / name / 'img1'):
            if folder.is_dir() and (images := images_of(folder)):
                return [LabelledFrame(path.relative_to(img_root).as_posix(), image_size(path))
                        for path in images]
        for path in (img_root / f'{name}{suffix}' for suffix in ('', *VIDEO_SUFFIXES)):
            if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
                count, size = 0, (0, 0)
                for frame in FrameReader(path):  # in order, so that no frame is kept
                    count, size = count + 1, size if count else frame.shape[:2]
                check_count(path, count)
                return [LabelledFrame(f'{path.relative_to(img_root).as_posix()}#{number}', size)
                        for number in range(count)]
    raise ValueError(f'{img_root} has neither a folder of images nor a video file called '
                     f'{" or ".join(dict.fromkeys(names))}')


def with_tracks(frames: Sequence[LabelledFrame], found: VideoDetections, classes: Sequence[str],
                source: str) -> Iterator[LabelledFrame]:
    """Frames with the boxes of a video of results.

    Args:
        frames: All frames of the video.
        found: The boxes.
        classes: Names of their classes.
        source: Their file, for messages.

    Raises:
        ValueError: If a box is in a frame that the video does not have.
    """
    last = int(found.frame_ids.max(initial=-1))
    if last >= len(frames):
        raise ValueError(f'{source} has boxes in frame {last}, counted from 0, but the video has '
                         f'{len(frames)} frames ({frames[0].file_name}, ...): it is another one, '
                         'or not all of its frames')
    frame_ids = found.frame_ids[found.frame_index]
    for frame_id, frame in enumerate(frames):
        rows = (frame_ids == frame_id).nonzero()[0].tolist()
        yield LabelledFrame(frame.file_name, frame.size, [VidObject(
            classes[found.labels[row]], tuple(map(float, found.boxes[row])),
            str(found.track_ids[row]) if found.track_ids is not None and found.track_ids[row] >= 0
            else '') for row in rows])
