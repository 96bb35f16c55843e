"""Reader of ILSVRC2015: classes, published list files and xml."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coco_vid import VidObject

_VID_CLASSES = (
    ('airplane', 'n02691156'), ('antelope', 'n02419796'), ('bear', 'n02131653'),
    ('bicycle', 'n02834778'), ('bird', 'n01503061'), ('bus', 'n02924116'), ('car', 'n02958343'),
    ('cattle', 'n02402425'), ('dog', 'n02084071'), ('domestic_cat', 'n02121808'),
    ('elephant', 'n02503517'), ('fox', 'n02118333'), ('giant_panda', 'n02510455'),
    ('hamster', 'n02342885'), ('horse', 'n02374451'), ('lion', 'n02129165'),
    ('lizard', 'n01674464'), ('monkey', 'n02484322'), ('motorcycle', 'n03790512'),
    ('rabbit', 'n02324045'), ('red_panda', 'n02509815'), ('sheep', 'n02411705'),
    ('snake', 'n01726692'), ('squirrel', 'n02355227'), ('tiger', 'n02129604'),
    ('train', 'n04468005'), ('turtle', 'n01662784'), ('watercraft', 'n04530566'),
    ('whale', 'n02062744'), ('zebra', 'n02391049'))

VID_CATEGORIES = tuple(
    dict(id=i + 1, name=name, encode_name=wnid) for i, (name, wnid) in enumerate(_VID_CLASSES))
"""The 30 classes of ImageNet VID, alphabetical."""

OTHER_CATEGORY = dict(id=31, name='other_categeries', encode_name=None)
"""Of all other DET classes; spelled as in MMTracking's json."""

DET_FOLDERS = ('train/ILSVRC2013_train', *(f'train/ILSVRC2014_train_{i:04d}' for i in range(7)))
"""Folders of the DET training images."""

LIST_NAMES = dict(train=('VID_train_15frames', 'VID_train_every10frames'),
                  val=('VID_val_videos', 'VID_val_frames'), det=('DET_train_30classes',))
"""Names of the list files of the field, the preferred one first."""


IMAGE_SUFFIXES = ('.jpeg', '.jpg', '.png', '.bmp')
"""Suffixes of images, in any case."""


class IlsvrcError(Exception):
    """Error in the tree; the message names the file and the remedy."""


@dataclass(frozen=True)
class VideoEntry:
    """A video, from a list file or found in the tree.

    Attributes:
        name: Path below ``Data/VID``.
        length: Number of frames.
        numbers: Frame numbers named by the list, in its order.
    """

    name: str
    length: int
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrameXml:
    """Content of an xml file.

    Attributes:
        size: Height and width in pixels.
        objects: Its objects, in file order.
    """

    size: tuple[int, int]
    objects: tuple[VidObject, ...]


def train_frame_numbers(length: int, count: int = 15) -> list[int]:
    """Key frames for training, evenly spread, as ``VID_train_15frames.txt`` numbers them.

    Args:
        length: Frames of the video.
        count: Number of key frames; short videos have fewer.

    Returns:
        Increasing numbers from 1 to ``length - 1``, which is valid whether a reader subtracts
        1 from them or not; ``[1]`` for a video of one frame.
    """
    count = min(count, max(length - 1, 1))
    return [1 + int((i + 0.5) * (length - 1) / count) for i in range(count)]


def find_list(root: Path, split: str) -> Path | None:
    """The list file of a split, where FGFA, mega.pytorch or MMTracking keep it."""
    part = 'DET' if split == 'det' else 'VID'
    folders = (f'ImageSets/{part}', 'ImageSets', f'Lists/{part}', 'Lists')
    paths = (root / folder / f'{name}.txt' for name in LIST_NAMES[split] for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def read_video_list(path: Path) -> list[VideoEntry]:
    """Read a list of videos or of frames.

    Every line is ``video, anything, frame number, video length``; lines of one video make one
    entry at the place where the video first appears.
    """
    lengths: dict[str, int] = {}
    numbers: dict[str, list[int]] = {}
    for row, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 4 or not all(field.isdigit() for field in fields[1:]):
            raise IlsvrcError(f'{path}, line {row}: {line!r} is not of the form "video index '
                              'frame-number video-length"; give another list file, or move '
                              'this one away to have the list made from the tree')
        name, length = fields[0], int(fields[3])
        if lengths.setdefault(name, length) != length:
            raise IlsvrcError(f'{path}, line {row}: {name} has {length} frames here and '
                              f'{lengths[name]} in an earlier line; correct the list file')
        numbers.setdefault(name, []).append(int(fields[2]))
    return [VideoEntry(name, length, tuple(numbers[name])) for name, length in lengths.items()]


def read_image_list(path: Path) -> list[str]:
    """Read a list of still images, ``image index``: paths below ``Data/DET`` without suffix."""
    rows = (line.split() for line in path.read_text(encoding='utf-8').splitlines())
    names = (Path(fields[0]) for fields in rows if fields)
    return list(dict.fromkeys(
        (name.with_suffix('') if name.suffix.lower() in IMAGE_SUFFIXES else name).as_posix()
        for name in names))


class ImageFiles:
    """Finds the images of a tree, whatever their suffix is.

    Args:
        base: ``Data/VID`` or ``Data/DET``; may be absent.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self._folders: dict[str, dict[str, str]] = {}

    def name(self, stem: str) -> str:
        """Path of an image below ``base``; with ``.JPEG`` where there is none.

        Args:
            stem: Path below ``base`` without suffix.
        """
        folder, _, last = stem.rpartition('/')
        if folder not in self._folders:
            path = self.base / folder
            self._folders[folder] = {file.stem: file.suffix for file in images_in(path)
                                     } if path.is_dir() else {}
        return stem + self._folders[folder].get(last, '.JPEG')


def images_in(folder: Path) -> list[Path]:
    """Images of a folder, without hidden files of the system."""
    return [file for file in folder.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith('.')]


def xml_in(folder: Path) -> list[Path]:
    """Annotations of a folder, without hidden files of the system."""
    return [file for file in folder.iterdir()
            if file.suffix == '.xml' and not file.name.startswith('.')]


def videos_of_tree(root: Path, split: str) -> list[VideoEntry]:
    """The videos found below ``Data/VID``, or below ``Annotations/VID`` where that is absent."""
    for base, files in ((root / 'Data/VID', images_in), (root / 'Annotations/VID', xml_in)):
        if not (base / split).is_dir():
            continue
        depth = '*/*' if split == 'train' else '*'
        folders = sorted(path for path in (base / split).glob(depth)
                         if path.is_dir() and not path.name.startswith('.'))
        lengths = [len(files(folder)) for folder in folders]
        return [
            VideoEntry(folder.relative_to(base).as_posix(), length,
                       tuple(train_frame_numbers(length)) if split == 'train' else (0,))
            for folder, length in zip(folders, lengths, strict=True) if length
        ]
    raise IlsvrcError(f'{root} has neither Data/VID/{split} nor Annotations/VID/{split}: give the '
                      'folder that holds Data and Annotations of ILSVRC2015')


def load_videos(root: Path, split: str, list_file: Path | None = None) -> list[VideoEntry]:
    """The videos of a split: from the given list, a list of the tree, or the tree itself."""
    path = list_file or find_list(root, split)
    return read_video_list(path) if path else videos_of_tree(root, split)


def stills_of_tree(root: Path) -> list[str]:
    """Every DET training image that has an xml file, folder by folder, sorted."""
    base = root / 'Annotations/DET'
    if not base.is_dir():
        raise IlsvrcError(f'{root} has no Annotations/DET: give the folder that holds Data and '
                          'Annotations of ILSVRC2015')
    paths = (path for folder in DET_FOLDERS for path in sorted((base / folder).rglob('*.xml'))
             if not path.name.startswith('.'))
    return [path.relative_to(base).with_suffix('').as_posix() for path in paths]


def read_xml(path: Path) -> FrameXml:
    """Read the annotation of a frame or a still image."""
    try:
        root = ET.parse(path).getroot()
        size = _side(root, 'size/height'), _side(root, 'size/width')
        return FrameXml(size, tuple(_object(item) for item in root.iter('object')))
    except FileNotFoundError as error:
        raise IlsvrcError(f'{path} is missing: run --check on the tree') from error
    except (ET.ParseError, ValueError, OSError) as error:
        raise IlsvrcError(f'{path} cannot be read ({error}): correct it, or unpack it '
                          'again') from error


def _object(item: ET.Element) -> VidObject:
    """One ``<object>``."""
    x1, y1, x2, y2 = (_number(item, f'bndbox/{key}')
                      for key in ('xmin', 'ymin', 'xmax', 'ymax'))
    return VidObject(
        _text(item, 'name'), (x1, y1, x2, y2), (item.findtext('trackid') or '').strip(),
        occluded=item.findtext('occluded') == '1', generated=item.findtext('generated') == '1')


def _side(parent: ET.Element, path: str) -> int:
    """Positive whole number of a required element."""
    found = _number(parent, path)
    if not isinstance(found, int) or found < 1:
        raise ValueError(f'{path} is {found}, expected a number of pixels')
    return found


def _number(parent: ET.Element, path: str) -> float:
    """Number of a required element, an integer where it has no fraction."""
    text = _text(parent, path)
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f'{path} is {text!r}, expected a number')
    return int(found) if found.is_integer() else found


def _text(parent: ET.Element, path: str) -> str:
    """Text of a required element."""
    text = parent.findtext(path)
    if text is None:
        raise ValueError(f'<{parent.tag}> has no {path}')
    return text.strip()


NUMBER_RULES: dict[str, Callable[[int], int]] = dict(
    mmtracking=lambda number: number - 1, fgfa=lambda number: number)
"""How the frame number of a training list becomes a 0-based frame id."""


def key_frames(entry: VideoEntry, rule: str) -> tuple[list[int], list[int]]:
    """0-based key frames of a training video by a rule of ``NUMBER_RULES``.

    Returns:
        All of them in list order, and those that lie outside of the video.
    """
    frames = [NUMBER_RULES[rule](number) for number in entry.numbers]
    return frames, [frame for frame in frames if not 0 <= frame < entry.length]
