"""Check of an ILSVRC2015 tree for missing files, broken files and wrong totals."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ilsvrc import (
    IlsvrcError,
    ImageFiles,
    VideoEntry,
    find_list,
    images_in,
    load_videos,
    read_image_list,
    read_xml,
    stills_of_tree,
    xml_in,
)
from problems import Problem
from tqdm import tqdm

EXPECTED = dict(
    train=dict(videos=3862), val=dict(videos=555, frames=176_126, boxes=273_505), det={})
"""Totals of ImageNet VID."""

_UNPACK = 'unpack the archive of this folder again'


@dataclass
class TreeReport:
    """Result of a check.

    Attributes:
        counts: Totals by split: ``videos``, ``frames`` and ``boxes``; ``images`` for det.
        problems: What is wrong, in the order found.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def check_tree(root: Path, splits: tuple[str, ...], expected: dict[str, dict[str, int]]
               ) -> TreeReport:
    """Check parts of a tree.

    Args:
        root: Folder that holds ``Data`` and ``Annotations``.
        splits: Of ``'train'``, ``'val'`` and ``'det'``.
        expected: Totals by split, in the form of ``EXPECTED``.
    """
    result = TreeReport()
    for split in splits:
        part = 'DET' if split == 'det' else 'VID'
        missing = [f'{kind}/{part}' for kind in ('Data', 'Annotations')
                   if not (root / kind / part).is_dir()]
        for name in missing:
            result.problems.append(Problem(
                'folder missing', str(root / name), 'folder does not exist',
                'give the folder that holds Data and Annotations, or unpack the archive'))
        try:
            counts = {} if missing else (
                _check_stills(root, result) if split == 'det' else
                _check_videos(root, split, result))
        except (IlsvrcError, OSError) as error:
            result.problems.append(Problem(
                'list', str(root), str(error), f'without a correct list {split} is not checked'))
            continue
        result.counts[split] = counts
        result.problems.extend(_compare(split, counts, expected.get(split, {})))
    return result


def _compare(split: str, counts: dict[str, int], expected: dict[str, int]) -> Iterator[Problem]:
    """Totals that differ from the expected ones."""
    for name, number in expected.items():
        if counts and counts[name] != number:
            yield Problem('totals', split, f'{counts[name]} {name}, expected {number}',
                          'see the other lines for missing files; pass --any-counts if this '
                          'is not ImageNet VID')


def _check_videos(root: Path, split: str, result: TreeReport) -> dict[str, int]:
    """Check the videos of a split; returns its totals."""
    entries = load_videos(root, split)
    frames = boxes = 0
    files = ImageFiles(root / 'Data')
    for entry in tqdm(entries, desc=f'check {split}', unit='video'):
        problems = list(_check_lengths(root, entry))
        result.problems.extend(problems)
        if any(item.kind == 'video missing' for item in problems):
            continue
        for frame_id in range(entry.length):
            number, found = _check_frame(root, files, f'VID/{entry.name}/{frame_id:06d}')
            result.problems.extend(found)
            frames += not any(item.kind == 'image missing' for item in found)
            boxes += number
    return dict(videos=len(entries), frames=frames, boxes=boxes)


def _check_lengths(root: Path, entry: VideoEntry) -> Iterator[Problem]:
    """Compare the length of a video with its folders."""
    for kind, what, files in (('Data', 'images', images_in), ('Annotations', '.xml', xml_in)):
        folder = root / kind / 'VID' / entry.name
        if not folder.is_dir():
            yield Problem('video missing', str(folder), 'folder does not exist', _UNPACK)
            continue
        number = len(files(folder))
        if number != entry.length:
            yield Problem('frame count', str(folder), f'{number} {what}, expected '
                          f'{entry.length}', f'{_UNPACK}, or correct the list file')


def _check_frame(root: Path, files: ImageFiles, name: str) -> tuple[int, list[Problem]]:
    """Check image and xml of a frame.

    Args:
        root: Folder of the tree.
        files: The images of ``root / 'Data'``.
        name: Path below ``Data`` and ``Annotations``, without suffix.

    Returns:
        Number of boxes, and problems.
    """
    problems = []
    broken = broken_image(root / 'Data' / files.name(name))
    if broken:
        problems.append(broken)
    path = root / 'Annotations' / f'{name}.xml'
    if not path.is_file():
        problems.append(Problem('xml missing', str(path), 'file does not exist', _UNPACK))
        return 0, problems
    try:
        return len(read_xml(path).objects), problems
    except IlsvrcError as error:
        problems.append(Problem('xml unreadable', str(path), str(error), _UNPACK))
    return 0, problems


def broken_image(path: Path) -> Problem | None:
    """Check the first and last bytes of an image only, to be quick."""
    if not path.is_file():
        return Problem('image missing', str(path), 'file does not exist', _UNPACK)
    with path.open('rb') as file:
        start = file.read(2)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1024, 0))
        end = file.read()
    is_jpeg = path.suffix.lower() in ('.jpeg', '.jpg')
    if not size or (is_jpeg and (start != b'\xff\xd8' or b'\xff\xd9' not in end)):
        return Problem('image broken', str(path), f'{size} bytes that do not begin and end as an '
                       'image does', _UNPACK)
    return None


def _check_stills(root: Path, result: TreeReport) -> dict[str, int]:
    """Check the DET training images; returns their totals."""
    names, path = stills_of_tree(root), find_list(root, 'det')
    names = list(dict.fromkeys([*(read_image_list(path) if path else []), *names]))
    boxes, files = 0, ImageFiles(root / 'Data')
    for name in tqdm(names, desc='check det', unit='image'):
        number, found = _check_frame(root, files, f'DET/{name}')
        result.problems.extend(found)
        boxes += number
    return dict(images=len(names), boxes=boxes)
