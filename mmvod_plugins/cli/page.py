"""``mmvod page``: a static page that shows predictions beside the truth."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from tqdm import tqdm

from mmvod_plugins.apis import open_sources
from mmvod_plugins.apis.sources import VideoSource
from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.coco_json import read_predictions
from mmvod_plugins.evaluation.functional import PROTOCOLS, GroundTruth
from mmvod_plugins.evaluation.metrics.imagenet_vid_metric import named_videos
from mmvod_plugins.page import (
    PageContent,
    PageVideo,
    Run,
    check_page,
    frames_only,
    load_references,
    policy_references,
    write_page,
)
from mmvod_plugins.page.frames import copy_frames, extract_frames
from mmvod_plugins.page.reference_file import ReferenceTable, of_videos
from mmvod_plugins.references import build_references
from mmvod_plugins.results import read_results
from mmvod_plugins.utils.text import safe_stem

MOST_RUNS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mmvod page``."""
    parser.add_argument('predictions', nargs='+', metavar='[TITLE=]FILE',
                        help='one to three files of predictions: .npz or folder of tools/test.py '
                        '--out, COCO results, or .json, .jsonl, .csv, .parquet or the folder '
                        'preds of mmvod predict')
    parser.add_argument('--annotations', type=Path, help='COCO-VID json; without it nothing is '
                        'judged')
    parser.add_argument('--images', type=Path, help='folder of the frames that the json names')
    parser.add_argument('--source', nargs='+', help='without a json: the videos, as for mmvod '
                        'predict')
    parser.add_argument('--out', type=Path, required=True, help='folder of the page')
    parser.add_argument('--videos', nargs='+', help='names or ids of the videos to show')
    parser.add_argument('--protocol', choices=list(PROTOCOLS), default='voc',
                        help='whose matching gives the colours')
    parser.add_argument('--score-thr', type=float, default=0.3,
                        help='score from which a detection counts in the list of failures')
    parser.add_argument('--least-score', type=float, default=0.05,
                        help='weaker detections are matched, but left out of the page')
    parser.add_argument('--references', nargs='+', default=[], metavar='[TITLE=]FILE',
                        help="what key frames looked at: a config of a model, or a .json with "
                        'weights (docs/prediction_page.md)')
    parser.add_argument('--title', default='Predictions')


@dataclass(frozen=True)
class _Material:
    """What is shown; the frames are in the folder of the page."""

    truth: GroundTruth
    videos: list[PageVideo]
    predictions: dict[str, Predictions]
    judged: bool


def page(args: argparse.Namespace) -> int:
    """Write the page; returns the exit code.

    Args:
        args: With what :func:`add_arguments` adds.

    Raises:
        SystemExit: With one sentence, if something is not possible.
    """
    try:
        index = _write(args)
    except KeyboardInterrupt:
        sys.stderr.write(f'interrupted: the page in {args.out} is not complete; the same command '
                         'goes on\n')
        return 130
    except (OSError, ValueError, TypeError, ImportError, KeyError) as error:
        sys.exit(str(error.args[0]) if isinstance(error, KeyError) else str(error))
    sys.stdout.write(f'{index}\n')
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of ``tools/analysis_tools/prediction_page.py``; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split(': ')[1])
    add_arguments(parser)
    return page(parser.parse_args(argv))


def _write(args: argparse.Namespace) -> Path:
    named = titled(args.predictions)
    if len(named) > MOST_RUNS:
        raise ValueError(f'{len(named)} files of predictions: a page shows up to {MOST_RUNS}')
    if (args.annotations is None) == (args.source is None):
        raise ValueError('name --annotations and --images, or the videos with --source')
    if args.annotations is not None and args.images is None:
        raise ValueError('--annotations needs --images, the folder of the frames that it names')
    if args.source is not None and args.videos:
        raise ValueError('--videos chooses among annotated videos; name those of --source there')
    references = titled(args.references)
    if len(named) == len(references) == 1:  # one run needs no title
        references = dict.fromkeys(named, *references.values())
    unknown = sorted(set(references) - set(named))
    if unknown:
        raise ValueError(f'--references: {unknown[0]!r} is no run, these are {list(named)}')
    check_page(args.out)
    material = _annotated(args, named) if args.source is None else _own(args, named)
    runs = [Run(title, found, _references(references.get(title), material))
            for title, found in material.predictions.items()]
    content = PageContent(
        runs, material.truth, material.videos, PROTOCOLS[args.protocol], threshold=args.score_thr,
        least_score=args.least_score, judged=material.judged)
    return write_page(args.out, content, args.title)


def titled(items: Sequence[str]) -> dict[str, str]:
    """Files by title, given as ``TITLE=FILE``, or ``FILE``, whose title is its name.

    Raises:
        ValueError: If two have the same title.
    """
    found: dict[str, str] = {}
    for item in items:
        title, sign, path = item.partition('=')
        if not sign or Path(item).exists():
            title, path = Path(item).stem, item
        if title in found:
            raise ValueError(f'two files have the title {title!r}: give titles as TITLE=FILE')
        found[title] = path
    return found


def _annotated(args: argparse.Namespace, named: dict[str, str]) -> _Material:
    source = CocoVIDFile(str(args.annotations))
    predictions = {title: _read(Path(path), source) for title, path in named.items()}
    classes = _common_classes(predictions)
    infos = source.videos()
    asked = named_videos(infos, args.videos) if args.videos else [v['video_id'] for v in infos]
    truth = GroundTruth.from_coco_vid(str(args.annotations), classes, asked)
    known, wanted = {info['video_id'] for info in infos}, set(asked)
    for title, found in predictions.items():
        strange = [v.video_id for v in found.videos if v.video_id not in known]
        if strange:
            raise ValueError(f'{named[title]} has the video {strange[0]!r}, which '
                             f'{args.annotations} does not have')
        found.videos = [video for video in found.videos if video.video_id in wanted]
    by_id = {info['video_id']: info for info in infos}
    videos, stems = [], _Stems()
    for video_id in tqdm(truth.videos, desc='frames', unit='video', mininterval=1.0):
        name = by_id[video_id]['video_name']
        stem = stems(name)
        shape = copy_frames([args.images / image['file_name']
                             for image in by_id[video_id]['images']], args.out / 'frames' / stem)
        videos.append(PageVideo(video_id, name, stem, shape, fps=10.0))
    return _Material(truth, videos, predictions, True)


def _own(args: argparse.Namespace, named: dict[str, str]) -> _Material:
    predictions = {title: _read(Path(path)) for title, path in named.items()}
    classes = _common_classes(predictions)
    sources = open_sources(args.source if len(args.source) > 1 else args.source[0])
    if len(sources) == 1 and all(len(found.videos) == 1 for found in predictions.values()):
        for found in predictions.values():  # one video needs no name
            found.videos = [found.videos[0].with_arrays(video_id=sources[0].name)]
    _check_names(named, predictions, sources)
    videos, lengths, shapes, stems = [], {}, {}, _Stems()
    for source in sources:
        stem = stems(source.name)
        with tqdm(desc=source.name, total=source.expected, unit='frame', mininterval=1.0) as bar:
            length, shape = extract_frames(source, args.out / 'frames' / stem, bar.update)
        lengths[source.name], shapes[source.name] = length, shape
        videos.append(PageVideo(source.name, source.name, stem, shape, source.fps))
    for found in predictions.values():  # what numbers the frames of these videos are positions
        found.videos = [video.with_arrays(image_ids=None) for video in found.videos]
    return _Material(frames_only(lengths, shapes, classes), videos, predictions, False)


def _check_names(named: Mapping[str, str], predictions: Mapping[str, Predictions],
                 sources: Sequence[VideoSource]) -> None:
    """Raise if predictions name a video that is no source."""
    names = [source.name for source in sources]
    for title, found in predictions.items():
        strange = [video.video_id for video in found.videos if video.video_id not in names]
        if strange:
            raise ValueError(f'{named[title]} has the video {strange[0]!r}, but --source gives '
                             f'{names[:5]}: pass the videos that were predicted')


def _read(path: Path, source: CocoVIDFile | None = None) -> Predictions:
    """Predictions of any format, from a file or a folder."""
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist')
    if path.is_dir():
        parts = [read_results(file) for file in sorted(path.glob('[!.]*.json'))]
        if parts and not any(path.glob('[!.]*.npz')):
            return Predictions([video for part in parts for video in part.videos],
                               _common_classes({str(path): part for part in parts}))
        return read_predictions(path)
    coco = path.suffix == '.json' and path.read_text(encoding='utf-8-sig').lstrip()[:1] == '['
    return read_predictions(path, source) if coco and source is not None else read_results(path)


def _common_classes(predictions: Mapping[str, Predictions]) -> tuple[str, ...]:
    classes = {found.classes for found in predictions.values()}
    if len(classes) > 1:
        raise ValueError('the files have different classes, or in another order: '
                         f'{sorted(classes)[:2]}')
    return classes.pop()


def _references(path: str | None, material: _Material) -> ReferenceTable:
    """References that a file has, or that the policy of a config names; none without a path."""
    if path is None:
        return {}
    if not path.endswith('.py'):
        ids = {str(video.video_id): video.video_id for video in material.videos}
        names = {video.name: video.video_id for video in material.videos}
        return of_videos(load_references(path), names | ids, path)
    policy = build_references(Config.fromfile(path).model.get('references'))
    return policy_references(policy, Counter(material.truth.video_ids))


class _Stems:
    """Names of files for videos; no two differ in case alone, and none leads elsewhere."""

    def __init__(self) -> None:
        self._taken: set[str] = {'index'}  # data/index.js is the page's own

    def __call__(self, name: str) -> str:
        stem, count = safe_stem(name), 1
        while (found := stem if count == 1 else f'{stem}_{count}').casefold() in self._taken:
            count += 1
        self._taken.add(found.casefold())
        return found
