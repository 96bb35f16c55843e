"""Check of a UAVDT tree for missing files, broken files, and contradictions between files."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from ilsvrc_check import TreeReport, broken_image
from problems import Problem
from tqdm import tqdm
from uavdt import CATEGORIES, OCCLUSION, OUT_OF_VIEW, SPLITS, Tree, UavdtError, frames_of, read_rows

_UNPACK = 'unpack the archive of this folder again'


def check_tree(tree: Tree, splits: Sequence[str], *, partial: bool) -> TreeReport:
    """Check the videos of splits.

    Args:
        tree: Folders of UAVDT.
        splits: Of ``'train'`` and ``'test'``.
        partial: Whether videos may be missing.
    """
    result = TreeReport()
    for split in splits:
        counts = Counter(videos=0, frames=0, objects=0, regions=0)
        for video in tqdm(SPLITS[split], desc=f'check {split}', unit='video'):
            if (tree.images / video).is_dir():
                result.problems.extend(_check_video(tree, split, video, counts))
            elif not partial:
                result.problems.append(Problem(
                    'video missing', str(tree.images / video), 'folder does not exist',
                    f'{_UNPACK}, or pass --partial'))
        result.counts[split] = dict(counts)
    return result


def _check_video(tree: Tree, split: str, video: str, counts: Counter[str]) -> Iterator[Problem]:
    """Check a video and add to the totals."""
    counts['videos'] += 1
    try:
        files = frames_of(tree.images / video)
    except UavdtError as error:
        yield Problem('frames', video, str(error), _UNPACK)
        return
    counts['frames'] += len(files)
    yield from filter(None, map(broken_image, files))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        try:
            objects, regions = tree.read_truth(video, len(files))
        except UavdtError as error:
            yield Problem('ground truth', video, str(error), _UNPACK)
            return
    for item in caught:
        yield Problem('regions', video, str(item.message), _UNPACK, is_error=False)
    counts['objects'] += len(objects)
    counts['regions'] += len(regions)
    for column, known in enumerate((OUT_OF_VIEW, OCCLUSION, CATEGORIES)):
        odd = sorted(set(objects.codes[:, column].tolist()) - known.keys())
        if odd:
            what = ('out-of-view', 'occlusion', 'category')[column]
            yield Problem('codes', video, f'the {what} codes {odd} are not in the readme',
                          'objects of an unknown category are not converted', is_error=False)
    keys = list(zip(objects.frames.tolist(), objects.targets.tolist(), strict=True))
    for (frame_id, target), number in Counter(keys).items():
        if number > 1:
            yield Problem('target twice', video, f'target {target} is {number} times in frame '
                          f'{frame_id + 1}', 'correct the ground-truth file')
    yield from _check_tracking(tree, video, set(keys))
    yield from _check_attributes(tree, split, video)


def _check_tracking(tree: Tree, video: str, whole: set[tuple[int, int]]) -> Iterator[Problem]:
    """Compare with the ground truth of tracking, which names the same targets."""
    path = tree.truth / f'{video}_gt.txt'
    if not path.is_file():
        return
    try:
        rows = read_rows(path)
    except UavdtError as error:
        yield Problem('tracking', video, str(error), _UNPACK)
        return
    more = set(zip(rows.frames.tolist(), rows.targets.tolist(), strict=True)) - whole
    if more:
        frame_id, target = min(more)
        yield Problem('tracking', video, f'{path.name} has {len(more)} boxes that '
                      f'{video}_gt_whole.txt lacks, the first is target {target} in frame '
                      f'{frame_id + 1}', 'check that both are of one version', is_error=False)


def _check_attributes(tree: Tree, split: str, video: str) -> Iterator[Problem]:
    """Attribute files that are not understood, or lie in the folder of the other split."""
    try:
        tree.video_attributes(split, video)
    except UavdtError as error:
        yield Problem('attributes', video, str(error), 'correct or remove the file')
    other = next(name for name in SPLITS if name != split)
    if tree.attributes and (tree.attributes / other / f'{video}_attr.txt').is_file():
        yield Problem('split', video, f'is in {split} by the official split, but its attributes '
                      f'are in {tree.attributes / other}', 'check the version of the archives')
