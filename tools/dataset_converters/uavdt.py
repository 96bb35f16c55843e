"""Reader of UAVDT: official split, ground-truth files, attributes, frames.

Formats as the readme of UAV-benchmark-MOTD_v1.0 describes them, lines of comma-separated numbers:

* ``GT/<video>_gt_whole.txt``: frame from 1, target, left, top, width, height, out-of-view,
  occlusion, category;
* ``GT/<video>_gt_ignore.txt``: frame, any number, left, top, width, height of a region in which
  vehicles are not annotated; further columns are not read;
* ``GT/<video>_gt.txt``: the same targets without categories, for tracking;
* ``M_attr/<train or test>/<video>_attr.txt``: flags of the video, see :data:`ATTRIBUTES`.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ilsvrc import images_in

TRAIN = (
    'M0101', 'M0201', 'M0202', 'M0204', 'M0206', 'M0207', 'M0210', 'M0301', 'M0401', 'M0402',
    'M0501', 'M0603', 'M0604', 'M0605', 'M0702', 'M0703', 'M0704', 'M0901', 'M0902', 'M1002',
    'M1003', 'M1005', 'M1006', 'M1008', 'M1102', 'M1201', 'M1202', 'M1304', 'M1305', 'M1306')
TEST = (
    'M0203', 'M0205', 'M0208', 'M0209', 'M0403', 'M0601', 'M0602', 'M0606', 'M0701', 'M0801',
    'M0802', 'M1001', 'M1004', 'M1007', 'M1009', 'M1101', 'M1301', 'M1302', 'M1303', 'M1401')
SPLITS = dict(train=TRAIN, test=TEST)
"""Videos of the official split for detection and multiple object tracking."""

CATEGORIES = {1: 'car', 2: 'truck', 3: 'bus'}
OUT_OF_VIEW = {1: 'no', 2: 'medium', 3: 'small'}
"""How much of an object is outside of the frame; the readme lists them in this order."""
OCCLUSION = {1: 'no', 2: 'large', 3: 'medium', 4: 'small'}

ATTRIBUTES = ('daylight', 'night', 'fog', 'low-alt', 'medium-alt', 'high-alt', 'front-view',
              'side-view', 'bird-view', 'long-term')
"""Names of the flags of a video, in the order of the dataset's paper."""

_GT_FOLDERS = ('GT', 'UAV-benchmark-MOTD_v1.0/GT')
_IMAGE_FOLDERS = ('UAV-benchmark-M', '')
_ATTRIBUTE_FOLDERS = ('M_attr', 'UAV-benchmark-MOTD_v1.0/M_attr')


class UavdtError(Exception):
    """Error in the tree; the message names the file and the remedy."""


@dataclass(frozen=True)
class Rows:
    """Boxes of a ground-truth file.

    Attributes:
        frames: (N,), int64, from 0.
        targets: (N,), int64.
        boxes: (N, 4), float64: left, top, width, height in pixels.
        codes: (N, 3), int64: out-of-view, occlusion, category; 0 in a file that lacks them.
    """

    frames: np.ndarray
    targets: np.ndarray
    boxes: np.ndarray
    codes: np.ndarray = field(repr=False)

    @staticmethod
    def of_table(table: Sequence[Sequence[float]]) -> 'Rows':
        """Rows of the nine columns of a file, with frames from 1."""
        values = np.array(table, dtype=np.float64).reshape(-1, 9)
        whole = values.astype(np.int64)
        return Rows(whole[:, 0] - 1, whole[:, 1], values[:, 2:6], whole[:, 6:])

    def __len__(self) -> int:
        """Number of boxes, N."""
        return len(self.frames)

    def of_frame(self, frame_id: int) -> np.ndarray:
        """Numbers of the boxes of a frame, in file order."""
        return np.flatnonzero(self.frames == frame_id)


@dataclass(frozen=True)
class Tree:
    """Folders of UAVDT.

    Attributes:
        images: Folder with a folder of frames per video.
        truth: Folder of the ground-truth files.
        attributes: Folder with the folders ``train`` and ``test`` of attribute files, or None.
    """

    images: Path
    truth: Path
    attributes: Path | None

    @staticmethod
    def find(root: Path, images: Path | None = None, truth: Path | None = None) -> 'Tree':
        """Find the folders below ``root``; ``images`` and ``truth`` are taken as they are.

        Raises:
            UavdtError: If one does not exist.
        """
        truth = truth or _first(root, _GT_FOLDERS, lambda path: path.is_dir())
        images = images or _first(
            root, _IMAGE_FOLDERS, lambda path: any((path / v).is_dir() for v in TRAIN + TEST))
        for what, folder, names, option in (
                ('ground-truth files', truth, _GT_FOLDERS, '--gt'),
                ('frames of M0101, M0201, ...', images, _IMAGE_FOLDERS[:1], '--images')):
            if folder is None or not folder.is_dir():
                raise UavdtError(f'{folder or root} has no {what}: expected {" or ".join(names)} '
                                 f'below the folder, or name another one with {option}')
        return Tree(images, truth, _first(root, _ATTRIBUTE_FOLDERS, lambda path: path.is_dir()))

    def video_attributes(self, split: str, video: str) -> list[str] | None:
        """Names of the attributes of a video; None without a file.

        Raises:
            UavdtError: If the file is not a line of flags, one for each of :data:`ATTRIBUTES`.
        """
        path = self.attributes and self.attributes / split / f'{video}_attr.txt'
        if path is None or not path.is_file():
            return None
        flags = re.split(r'[,\s]+', path.read_text(encoding='utf-8').strip(' ,\r\n\t'))
        if len(flags) != len(ATTRIBUTES) or set(flags) - {'0', '1'}:
            raise UavdtError(f'{path} holds {",".join(flags)!r}, expected {len(ATTRIBUTES)} flags '
                             f'0 or 1 ({", ".join(ATTRIBUTES)}); correct or remove it')
        return [name for name, flag in zip(ATTRIBUTES, flags, strict=True) if flag == '1']


    def read_truth(self, video: str, length: int) -> tuple[Rows, Rows]:
        """Objects and ignore regions of a video; no regions, with a warning, without their file.

        Raises:
            UavdtError: If a file is not understood, or names a frame beyond the end.
        """
        regions = self.truth / f'{video}_gt_ignore.txt'
        found = []
        for path, columns in ((self.truth / f'{video}_gt_whole.txt', 9), (regions, 6)):
            if path == regions and not path.is_file():
                warnings.warn(f'{path} is missing: {video} has no ignore regions', stacklevel=2)
                found.append(Rows.of_table([]))
                continue
            found.append(read_rows(path, columns))
            last = int(found[-1].frames.max(initial=-1)) + 1
            if last > length:
                raise UavdtError(f'{path} annotates frame {last}, but {self.images / video} has '
                                 f'{length} images: unpack UAV-benchmark-M again')
        return found[0], found[1]


def _first(root: Path, names: Sequence[str], accepts: Callable[[Path], bool]) -> Path | None:
    """The first of some folders below ``root`` that is what is looked for."""
    return next((root / name for name in names if accepts(root / name)), None)


def read_rows(path: Path, columns: int = 9) -> Rows:
    """Read a ground-truth file.

    Args:
        path: The file.
        columns: Numbers of a line, at least 6; a file of regions may have more.

    Raises:
        UavdtError: If it is missing, or a line is something else.
    """
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UavdtError(f'{path} cannot be read ({error}): unpack the ground truth again'
                         ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        values = _numbers(line)
        if not line.strip():
            continue
        if values is None or len(values) < columns or (columns == 9 and len(values) > 9):
            raise UavdtError(f'{path}, line {number}: {line!r} is not of {columns} numbers '
                             'separated by commas; unpack the ground truth again')
        if any(v != int(v) for v in (*values[:2], *values[6:columns])) or values[0] < 1:
            raise UavdtError(f'{path}, line {number}: {line!r} must have a frame number from 1, '
                             'and whole numbers but for the box')
        rows.append([*values[:columns], *[0] * (9 - columns)])
    return Rows.of_table(rows)


def _numbers(line: str) -> list[float] | None:
    """Finite numbers of a line, None if there is anything else."""
    try:
        values = [float(part) for part in line.strip().rstrip(',').split(',')]
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def frames_of(folder: Path) -> list[Path]:
    """Images of a video, ``img000001.jpg`` first.

    Raises:
        UavdtError: If it has none, or their numbers are not 1, 2, 3, ...
    """
    numbered = {}
    for path in images_in(folder) if folder.is_dir() else ():
        number = re.search(r'(\d+)$', path.stem)
        if number is None or int(number[1]) in numbered:
            raise UavdtError(f'{path} has no frame number, or that of another image: the frames of '
                             'UAVDT are img000001.jpg, img000002.jpg, ...; move the file away')
        numbered[int(number[1])] = path
    if not numbered:
        raise UavdtError(f'{folder} has no images: unpack UAV-benchmark-M')
    missing = sorted(set(range(1, max(numbered) + 1)) - numbered.keys())
    if missing or 0 in numbered:
        raise UavdtError(f'{folder}: the frames are not numbered 1 to {max(numbered)} without gaps '
                         f'({f"{len(missing)} are missing: {missing[:5]}" if missing else "0"}); '
                         'unpack UAV-benchmark-M again')
    return [numbered[number] for number in sorted(numbered)]
