"""Writer of a ToyVID tree: frames, xml, a record per video, list files and COCO-VID json."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
from coco_vid import CocoVidBuilder, VidObject, write_json, write_text
from ilsvrc import train_frame_numbers
from tqdm import tqdm

from .plan import VideoPlan, plan_video
from .render import Frame, render_frame
from .spec import TOY_CATEGORIES, ToyVidSpec

SPEC_FILE = 'toyvid.json'
_SPLITS = ('train', 'val', 'det')
_PER_FOLDER = 1000


class ToyVidError(Exception):
    """Error for an output folder that does not fit the request; the message has the remedy."""


@dataclass(frozen=True)
class _Job:
    """One video, or one still image.

    Attributes:
        root: Folder of the tree.
        spec: Settings.
        split: ``'train'``, ``'val'`` or ``'det'``.
        index: Number within the split, from 0.
    """

    root: Path
    spec: ToyVidSpec
    split: str
    index: int

    @property
    def name(self) -> str:
        """Path below ``Data/VID`` or ``Data/DET`` as ILSVRC2015 names its own."""
        folder = self.index // _PER_FOLDER
        if self.split == 'train':
            return f'train/ILSVRC2015_VID_train_{folder:04d}/ILSVRC2015_train_{self.index:08d}'
        if self.split == 'val':
            return f'val/ILSVRC2015_val_{self.index:08d}'
        return f'train/ILSVRC2014_train_{folder % 7:04d}/ILSVRC2014_train_{self.index:08d}'

    @property
    def part(self) -> str:
        """Part of the challenge: folder below ``Data`` and ``Annotations``."""
        return 'DET' if self.split == 'det' else 'VID'

    @property
    def record(self) -> Path:
        """Path of the video's record, which is written last and so marks a complete video."""
        return self.root / 'degradations' / self.part / f'{self.name}.json'

    def plan(self) -> VideoPlan:
        """Plan the video; independent of the number of workers."""
        rng = np.random.default_rng([self.spec.seed, _SPLITS.index(self.split), self.index])
        length = 1 if self.split == 'det' else self.spec.frames
        difficulty = self.spec.difficulty.of_split(self.split)
        plan = plan_video(difficulty, self.spec.size, length, rng)
        return plan.without_degradations() if self.split == 'det' else plan


def write_tree(root: Path, spec: ToyVidSpec, workers: int) -> int:
    """Render ToyVID, or the part that an interrupted run did not finish.

    Args:
        root: Folder of the tree; empty, missing, or begun with the same settings.
        spec: Settings.
        workers: Number of processes.

    Returns:
        Number of videos and still images rendered now.
    """
    _claim(root, spec)
    counts = dict(zip(_SPLITS, (spec.train_videos, spec.val_videos, spec.stills), strict=True))
    jobs = [_Job(root, spec, split, i) for split, n in counts.items() for i in range(n)]
    todo = [job for job in jobs if not job.record.is_file()]
    with tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc='ToyVID', unit='video') as bar:
        for _ in _run(todo, workers):
            bar.update()
    for split in _SPLITS:
        chosen = [job for job in jobs if job.split == split]
        _write_lists(root, split, chosen)
        _write_annotations(root, split, chosen)
    return len(todo)


def _claim(root: Path, spec: ToyVidSpec) -> None:
    """Record the settings in the folder; raise if it has other content."""
    wanted, path = json.loads(json.dumps(spec.to_dict())), root / SPEC_FILE
    if not path.is_file():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ToyVidError(f'{root} is not empty and holds no {SPEC_FILE}: choose a new folder')
        write_json(path, wanted)
        return
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ToyVidError(f'{path} cannot be read ({error}): remove the folder') from error
    keys = [key for key in wanted | found if wanted.get(key) != found.get(key)]
    if keys:
        lines = [f'{key} is {found.get(key)}, asked for {wanted.get(key)}' for key in keys]
        raise ToyVidError(f'{root} holds another ToyVID ({"; ".join(lines)}): '
                          'choose a new folder, remove this one, or ask for the same')


def _run(jobs: list[_Job], workers: int) -> Iterator[None]:
    """Render the jobs, in this process or in several."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_write_video, jobs)
        return
    context = multiprocessing.get_context('spawn')
    with context.Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(_write_video, jobs)


def _write_video(job: _Job) -> None:
    """Render one video, replacing remains of an interrupted run."""
    cv2.setNumThreads(1)
    plan = job.plan()
    frames = []
    images, labels = (_Target(job, kind) for kind in ('Data', 'Annotations'))
    for frame_id in range(plan.length):
        frame = render_frame(plan, frame_id)
        quality = [cv2.IMWRITE_JPEG_QUALITY, job.spec.quality]
        done, code = cv2.imencode('.jpg', frame.image, quality)
        if not done:
            raise RuntimeError(f'frame {frame_id} of {job.name} cannot be encoded as JPEG')
        images.write(frame_id, '.JPEG', code.tobytes())
        labels.write(frame_id, '.xml', _xml(job, frame, frame_id).encode())
        frames.append(_frame_record(frame, frame_id))
    images.finish()
    labels.finish()
    write_json(job.record, dict(
        version=job.spec.to_dict()['version'], name=job.name, height=plan.height,
        width=plan.width, conditions=plan.conditions, objects=[
            dict(track_id=i, category_id=item.category_id, speed=item.speed,
                 diameter=round(item.diameter, 2)) for i, item in enumerate(plan.objects)
        ], frames=frames))


class _Target:
    """Files of one video under ``Data`` or ``Annotations``, moved into place when complete."""

    def __init__(self, job: _Job, kind: str) -> None:
        self.single = job.split == 'det'
        self.final = job.root / kind / job.part / job.name
        self.folder = self.final.with_name(f'.{self.final.name}.part')
        self.suffix = ''
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def write(self, frame_id: int, suffix: str, content: bytes) -> None:
        """Write the file of one frame."""
        self.suffix = suffix
        (self.folder / f'{frame_id:06d}{suffix}').write_bytes(content)

    def finish(self) -> None:
        """Move the folder, or the only file of a still image, to its name."""
        if self.single:
            os.replace(self.folder / f'{0:06d}{self.suffix}', f'{self.final}{self.suffix}')
            self.folder.rmdir()
            return
        shutil.rmtree(self.final, ignore_errors=True)
        os.replace(self.folder, self.final)


def _frame_record(frame: Frame, frame_id: int) -> dict[str, Any]:
    """Facts of a frame for the record of its video."""
    return dict(
        frame_id=frame_id, degradations=frame.degradations, objects=[
            dict(track_id=item.track_id, category_id=item.category_id, box=list(item.box),
                 occluded=item.occluded, visible=item.visible) for item in frame.objects
        ])


def _xml(job: _Job, frame: Frame, frame_id: int) -> str:
    """Annotation of a frame in the form of ILSVRC2015."""
    height, width = frame.image.shape[:2]
    folder, _, still = job.name.partition('/')[2].rpartition('/')
    folder, file = (folder, still) if job.split == 'det' else (
        job.name.partition('/')[2], f'{frame_id:06d}')
    lines = [f'<annotation>\n\t<folder>{escape(folder)}</folder>\n\t<filename>{file}</filename>',
             '\t<source>\n\t\t<database>ToyVID</database>\n\t</source>',
             f'\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t</size>']
    for item in frame.objects:
        x1, y1, x2, y2 = item.box
        name = TOY_CATEGORIES[item.category_id - 1]['encode_name']
        track = '' if job.split == 'det' else f'\t\t<trackid>{item.track_id}</trackid>\n'
        state = '' if job.split == 'det' else (
            f'\t\t<occluded>{int(item.occluded)}</occluded>\n\t\t<generated>0</generated>\n')
        lines.append(
            f'\t<object>\n{track}\t\t<name>{name}</name>\n\t\t<bndbox>\n'
            f'\t\t\t<xmax>{x2}</xmax>\n\t\t\t<xmin>{x1}</xmin>\n'
            f'\t\t\t<ymax>{y2}</ymax>\n\t\t\t<ymin>{y1}</ymin>\n\t\t</bndbox>\n{state}\t</object>')
    return '\n'.join([*lines, '</annotation>', ''])


def _write_lists(root: Path, split: str, jobs: list[_Job]) -> None:
    """Write the list files in the published form for one split."""
    if not jobs:
        return
    length, files = jobs[0].spec.frames, {}
    if split == 'det':
        files['DET/DET_train_30classes'] = [f'{job.name} {i + 1}' for i, job in enumerate(jobs)]
    elif split == 'train':
        files['VID/VID_train_15frames'] = [
            f'{job.name} 1 {n} {length}' for job in jobs for n in train_frame_numbers(length)]
    else:
        files['VID/VID_val_videos'] = [
            f'{job.name} {i + 1} 0 {length}' for i, job in enumerate(jobs)]
        names = [(job.name, n) for job in jobs for n in range(length)]
        files['VID/VID_val_frames'] = [
            f'{name} {i + 1} {n} {length}' for i, (name, n) in enumerate(names)]
    for name, lines in files.items():
        write_text(root / 'ImageSets' / f'{name}.txt', '\n'.join([*lines, '']))


def _write_annotations(root: Path, split: str, jobs: list[_Job]) -> None:
    """Write the COCO-VID json of a split from the records of its videos."""
    if not jobs:
        return
    builder = CocoVidBuilder(TOY_CATEGORIES)
    numbers = train_frame_numbers(jobs[0].spec.frames) if split == 'train' else ()
    for job in jobs:
        record = json.loads(job.record.read_text(encoding='utf-8'))
        size = record['height'], record['width']
        if split != 'det':
            builder.add_video(job.name, [n - 1 for n in numbers])
            builder.videos[-1]['conditions'] = record['conditions']
        for frame in record['frames']:
            if split == 'det':
                builder.add_still(f'{job.name}.JPEG', size, train=True)
            else:
                file_name = f'{job.name}/{frame["frame_id"]:06d}.JPEG'
                image = builder.add_frame(file_name, size, frame['frame_id'])
                image['degradations'] = frame['degradations']
            for item in frame['objects']:
                name = TOY_CATEGORIES[item['category_id'] - 1]['encode_name']
                builder.add_object(VidObject(
                    name, tuple(item['box']), str(item['track_id']), item['occluded']))
    name = 'toy_det' if split == 'det' else f'toy_vid_{split}'
    write_json(root / 'annotations' / f'{name}.json',
               dict(builder.to_dict(), info=jobs[0].spec.to_dict()))
