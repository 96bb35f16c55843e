"""Show what OGEMN remembers of a video, and where it looks (figure 3), as one HTML file.

    python tools/analysis_tools/report_ogemn.py CONFIG CHECKPOINT --input IN.mp4 --out memory.html

The report explains itself and needs no other file: the size of the memories over time, every
object that was stored (its picture, class, score, frame, how long it stayed), and for some frames
where the remembered objects look.
"""

from __future__ import annotations

import argparse
import base64
import html
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, DictAction
from model_and_video import model_and_video_parser

from mmvod_plugins.apis import TracedFrame, init_video_detector, trace_frames
from mmvod_plugins.models import OGEMNNeck, VideoDetector
from mmvod_plugins.models.memories import InstanceMemory, MemoryObject
from mmvod_plugins.structures import FrameRecord
from mmvod_plugins.visualization import count_frames, draw_detections, draw_saliency, read_frames

#: Height of pictures in pixels.
THUMBNAIL, PICTURE = 64, 180
STYLE = """body{font:15px/1.45 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:left}
figure{display:inline-block;margin:4px 8px 12px 0;vertical-align:top}
figcaption{font-size:13px;color:#555;max-width:24em}.left td{color:#888}"""


@dataclass
class Stored:
    """An object that was in the memory.

    Attributes:
        part: The object.
        picture: Of it, BGR.
        last: Last frame that read it.
    """

    part: MemoryObject
    picture: np.ndarray
    last: int


@dataclass
class Look:
    """A frame and where the memory looks in it.

    Attributes:
        frame_id: Its number.
        picture: The frame with its detections.
        objects: Keys of the objects, heat maps of all their rows and of the most focused one, and
            the largest share that one cell gets of that row.
        rows: Rows that were read.
        change: Heat map of the share of memory in the enhanced features, 1 - beta.
    """

    frame_id: int
    picture: np.ndarray
    objects: list[tuple[int, np.ndarray, np.ndarray, float]]
    rows: int
    change: np.ndarray


@dataclass
class Trace:
    """What happened in a video.

    Attributes:
        stored: Objects by identity, in the order in which they were read first.
        pixel: Rows of objects and rows of none that every frame read.
        instance: Rows of the instance memory that every frame read; None without one.
        cells: Cells of a whole frame's map.
        looks: Some frames.
    """

    stored: dict[int, Stored] = field(default_factory=dict)
    pixel: list[tuple[int, int]] = field(default_factory=list)
    instance: list[int | None] = field(default_factory=list)
    cells: int = 0
    looks: list[Look] = field(default_factory=list)

    def note(self, objects: Sequence[MemoryObject],
             stored_in: tuple[FrameRecord, np.ndarray] | None, frame_id: int) -> None:
        """Add the objects that are there, new ones with a picture from the frame that stored them.

        Args:
            objects: In the memory.
            stored_in: Record and picture of the frame that was remembered last; None before any.
            frame_id: The frame that reads them.
        """
        for part in objects:
            if id(part) not in self.stored:
                self.stored[id(part)] = Stored(part, picture_of(part, *stored_in), 0)
            self.stored[id(part)].last = frame_id


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = model_and_video_parser(__doc__.split('\n')[0], '.html file')
    parser.add_argument('--frames', type=int, nargs='+',
                        help='frames to show; by default five, alike apart')
    parser.add_argument('--level', type=int, default=0, help='which of the levels with memories')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of the boxes that are drawn')
    parser.add_argument('--max-objects', type=int, default=6, help='objects shown per frame')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        help='changes of the config, such as '
                        'model.temporal_neck.write_rule.score_thr=0.5')
    return parser.parse_args(argv)


def neck_of(model: VideoDetector, level: int) -> OGEMNNeck:
    """The pixel memory's neck of a model.

    Raises:
        ValueError: If the model has none, or not this level.
    """
    neck = model.temporal_neck
    if not isinstance(neck, OGEMNNeck):
        raise ValueError(f'the config has the temporal neck {type(neck).__name__}, expected an '
                         'OGEMNNeck: the report shows its pixel memory')
    if not 0 <= level < len(neck.groups):
        raise ValueError(f'--level is {level}, but the model has memories of {len(neck.groups)} '
                         'levels, from 0')
    return neck


def picture_of(part: MemoryObject, record: FrameRecord, frame: np.ndarray) -> np.ndarray:
    """The object cut out of its frame, with a margin."""
    factors = np.tile(record.sample.scale_factor, 2)
    x1, y1, x2, y2 = np.array(part.box) / factors
    margin = 0.15 * max(x2 - x1, y2 - y1, 1)
    height, width = frame.shape[:2]
    left, right = (int(np.clip(value, 0, width)) for value in (x1 - margin, x2 + margin + 1))
    top, bottom = (int(np.clip(value, 0, height)) for value in (y1 - margin, y2 + margin + 1))
    cut = frame[top:bottom, left:right]
    return cut if cut.size else frame


def heat(values: torch.Tensor, grid: tuple[int, int], record: FrameRecord,
         frame: np.ndarray) -> np.ndarray:
    """A map of cells (n,) over its frame, each picture with a scale of its own."""
    meta = record.sample.metainfo
    cells = values.float().reshape(grid).cpu().numpy()
    drawn = draw_saliency(cells, meta.get('pad_shape', meta['img_shape'])[:2], 0.0,
                          float(cells.max()))
    height, width = meta['img_shape'][:2]
    drawn = cv2.resize(drawn[:height, :width], frame.shape[1::-1],
                       interpolation=cv2.INTER_NEAREST)
    return cv2.addWeighted(frame, 0.4, drawn, 0.6, 0)


@torch.no_grad()
def look(neck: OGEMNNeck, args: argparse.Namespace, traced: TracedFrame, frame: np.ndarray,
         picture: np.ndarray) -> Look:
    """Where the remembered objects look in a frame."""
    record, [feats, grid] = traced.key, neck.cells(traced.key, args.level)
    held = traced.memory.neck[args.level]
    read = neck.reads[args.level](feats, held.read(), [1] * len(held))
    parts = read.attention.split([*held.sizes, held.num_irrelevant])
    shown = []
    best = sorted(range(len(held.objects)), key=lambda p: -held.objects[p].score)
    for p in sorted(best[:args.max_objects]):
        focused = parts[p][parts[p].max(1).values.argmax()]
        shown.append((id(held.objects[p]), heat(parts[p].sum(0), grid, record, frame),
                      heat(focused, grid, record, frame), float(focused.max())))
    return Look(record.frame_id, picture, shown, len(held),
                heat(1 - read.beta, grid, record, frame))


def trace(args: argparse.Namespace, model: VideoDetector) -> Trace:
    """Detect in the video and follow the memory.

    Raises:
        ValueError: If the video lacks one of the frames.
    """
    neck, length = neck_of(model, args.level), count_frames(args.input)
    spread = np.linspace(min(1, length - 1), length - 1, 5).round().astype(int).tolist()
    chosen = sorted(set(args.frames or spread))
    if not all(0 <= frame_id < length for frame_id in chosen):
        raise ValueError(f'--frames is {chosen}, but {args.input} has {length} frames, from 0')
    names = model.dataset_meta.get('classes')
    result, frames, waiting = Trace(), *itertools.tee(read_frames(args.input))
    previous: tuple[FrameRecord, np.ndarray] | None = None
    for frame, traced in zip(waiting, trace_frames(model, frames, length), strict=True):
        memory, record = traced.memory, traced.key
        held = memory.neck[args.level]
        result.note(held.objects, previous, record.frame_id)
        result.pixel.append((sum(held.sizes), held.num_irrelevant))
        has_head = isinstance(memory.head, InstanceMemory)
        result.instance.append(len(memory.head) if has_head else None)
        result.cells = max(result.cells, len(neck.cells(record, args.level)[0]))
        if record.frame_id in chosen:
            picture = drawn(traced.found, frame, names, args.score_thr)
            result.looks.append(look(neck, args, traced, frame, picture))
        previous = record, frame
    result.note(held.objects, previous, record.frame_id)  # what the last frame stored
    return result


def drawn(found: DetDataSample, frame: np.ndarray, names: Sequence[str] | None,
          score_thr: float) -> np.ndarray:
    """A frame with its detections."""
    boxes = found.pred_instances[found.pred_instances.scores > score_thr]
    return draw_detections(frame, boxes.bboxes, boxes.labels, boxes.scores, names)


# HTML --------------------------------------------------------------------------------------------


def image(picture: np.ndarray, height: int, caption: str = '') -> str:
    """An HTML figure that holds its picture."""
    width = max(round(picture.shape[1] * height / picture.shape[0]), 1)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode('.png', small)[1]).decode()
    tag = f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="">'
    return f'<figure>{tag}<figcaption>{caption}</figcaption></figure>' if caption else tag


def chart(result: Trace) -> str:
    """The size of the memories over time as SVG."""
    width, height, left = 1000, 220, 60
    top = 1.1 * max([result.cells, *map(sum, result.pixel),
                     *(rows or 0 for rows in result.instance)])
    step = (width - left) / max(len(result.pixel) - 1, 1)

    def line(values: Sequence[int], colour: str) -> str:
        points = ' '.join(f'{left + step * t:.1f},{height - height * value / top:.1f}'
                          for t, value in enumerate(values))
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    level = height - height * result.cells / top
    parts = [line([sum(rows) for rows in result.pixel], '#1a7f37'),
             line([rows for rows, _ in result.pixel], '#0b62c4')]
    if None not in result.instance:
        parts.append(line(result.instance, '#b35900'))
    parts.append(f'<line x1="{left}" x2="{width}" y1="{level:.1f}" y2="{level:.1f}" '
                 'stroke="#1a7f37" stroke-dasharray="6 5"/>')
    marks = [(left - 6, level + 5, 'end', f'{result.cells}'), (left - 6, height, 'end', '0'),
             (left, height + 18, 'start', 'frame 0'),
             (width, height + 18, 'end', f'frame {len(result.pixel) - 1}')]
    parts += [f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" font-size="13">{text}</text>'
              for x, y, anchor, text in marks]
    return f'<svg viewBox="0 0 {width} {height + 24}" width="100%">{"".join(parts)}</svg>'


def report(result: Trace, args: argparse.Namespace, names: Sequence[str] | None,
           rule: str) -> Iterator[str]:
    """The parts of the HTML page."""
    title = html.escape(f'What {Path(args.config).stem} remembers of {args.input.name}')
    yield (f'<!doctype html><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
           f'<h1>{title}</h1>')
    rows = np.array([sum(pair) + (instance or 0) for pair, instance in zip(
        result.pixel, result.instance, strict=True)])
    yield (f'<p>{len(result.pixel)} frames, detected online. {html.escape(rule)} On average a '
           f'frame read {rows.mean():.0f} feature vectors, {rows.mean() / result.cells:.2f} of the '
           f'{result.cells} cells of a feature map.</p><h2>Size of the memory</h2>')
    yield chart(result)
    yield ('<p>Feature vectors that each frame read. <b style="color:#0b62c4">Blue</b>: those that '
           'belong to stored objects. <b style="color:#1a7f37">Green</b>: with those that belong '
           'to none, the most outstanding cells of the last frame in which nothing was sure '
           'enough. <b style="color:#b35900">Orange</b>: the instance memory, the pooled objects '
           'of one earlier frame, if the model has one. Dashed: the size of a feature map.</p>')
    labels = {key: names[item.part.label] if names else str(item.part.label)
              for key, item in result.stored.items()}
    numbers = {key: number for number, key in enumerate(result.stored, 1)}
    yield (f'<h2>Stored objects</h2><p>{len(result.stored)} objects were stored. Those in grey '
           'left because a similar one with a higher score came, or their class was full.</p>'
           '<table><tr><th>#<th>object<th>class<th>score<th>seen in frame<th>read by frames'
           '<th>vectors')
    for key, item in result.stored.items():
        end = len(result.pixel) - 1
        part = item.part
        yield (f'<tr{" class=left" if item.last < end else ""}><td>{numbers[key]}<td>'
               f'{image(item.picture, THUMBNAIL)}<td>{html.escape(labels[key])}<td>'
               f'{part.score:.3f}<td>{part.frame_id}<td>{part.frame_id + 1} to {item.last}'
               f'<td>{part.num_rows}')
    yield ('</table><h2>Where the memory looks</h2><p>Each vector spreads a weight of one over the '
           'cells of the frame: bright cells resemble it. The pictures beside a stored object show '
           'the sum over all of its vectors, and its most focused vector alone. The picture after '
           'the frame shows how much of the enhanced feature comes from the memory: dark none, '
           'bright half. Every picture has a scale of its own.</p>')
    for frame in result.looks:
        yield (f'<h3>Frame {frame.frame_id}</h3>'
               + image(frame.picture, PICTURE, f'detections; {frame.rows} vectors were read')
               + image(frame.change, PICTURE, 'share of the memory'))
        for key, whole, focused, share in frame.objects:
            item = result.stored[key]
            yield '<div>' + image(item.picture, PICTURE // 2, f'#{numbers[key]} '
                                  f'{html.escape(labels[key])}, frame {item.part.frame_id}')
            yield image(whole, PICTURE, 'all of its vectors')
            yield image(focused, PICTURE, f'one vector: {100 * share:.0f}% on one cell') + '</div>'
        if not frame.objects:
            yield '<p>No object was stored yet.</p>'


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    args = parse_args(argv)
    try:
        config = Config.fromfile(args.config)
        config.merge_from_dict(args.cfg_options)
        model = init_video_detector(config, args.checkpoint, args.device)
        result = trace(args, model)
        rule = model.temporal_neck.rule
        text = (f'An object is stored if its score is above {rule.score_thr}, at most '
                f'{rule.max_per_class} of a class.')
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text('\n'.join(report(
            result, args, model.dataset_meta.get('classes'), text)), encoding='utf-8')
    except (OSError, ValueError, TypeError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{args.out}: {len(result.pixel)} frames, {len(result.stored)} stored objects')
    return 0


if __name__ == '__main__':
    sys.exit(main())
