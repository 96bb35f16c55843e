"""Detects in videos with an exported model; needs numpy and onnxruntime, and nothing else.

It is one file, since it is copied: ``mmvod export`` puts it beside the graphs as
``video_runtime.py``::

    from video_runtime import VideoRuntime

    for found in VideoRuntime('exported').stream(frames):
        print(found.frame_id, found.boxes, found.scores, found.labels)

The graphs hold the network. The policy that names reference frames, the frames that wait, the
memory and the suppression of boxes are plain Python here; their settings are in ``manifest.json``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Version of the manifest.
FORMAT = 1
#: Priorities of a reservoir that are drawn at once.
BLOCK = 256
#: Stands for the end of a video.
_END = object()


@dataclass
class FrameDetections:
    """Detections of one frame, the best first.

    Attributes:
        frame_id: Number of the frame in its video, from 0.
        boxes: (N, 4), float32, ``(x1, y1, x2, y2)`` in pixels of the frame.
        scores: (N,), float32.
        labels: (N,), int64, indices into :attr:`VideoRuntime.classes`.
    """

    frame_id: int
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass
class Objects:
    """Objects of one frame, padded to a fixed number.

    Attributes:
        boxes: (N, 4), in pixels of the network input.
        feats: (N, C).
        valid: (N,), bool, the rows that are objects.
    """

    boxes: np.ndarray
    feats: np.ndarray
    valid: np.ndarray

    def top(self, count: int) -> Objects:
        """The best rows, a view."""
        return Objects(*(part[:count] for part in vars(self).values()))

    def copy(self) -> Objects:
        """The same in memory of its own, so that a view does not keep the whole alive."""
        return Objects(*(part.copy() for part in vars(self).values()))

    @staticmethod
    def none(count: int, channels: int) -> Objects:
        """Padding alone."""
        return Objects(np.zeros((count, 4), np.float32), np.zeros((count, channels), np.float32),
                       np.zeros(count, bool))


class VideoRuntime:
    """A video detector in ONNX Runtime.

    Args:
        folder: From ``mmvod export``.
        providers: Execution providers of ONNX Runtime, the CPU's by default.
        threads: Threads of one graph; None for ONNX Runtime's choice.

    Attributes:
        classes: Names of the classes.
        frame_shape: (height, width) of the frames that the model was exported for.
        lookahead: Frames that must follow a frame before it is detected; None: the length of the
            video must be known.

    Raises:
        ImportError: If onnxruntime is not installed.
        FileNotFoundError: If the folder is none of an exported model.
        ValueError: If it was written by another version.
    """

    def __init__(self, folder: str | Path, providers: Sequence[str] = ('CPUExecutionProvider', ),
                 threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError('exported models run in onnxruntime, which is not installed: pip '
                              'install onnxruntime') from error
        folder = Path(folder)
        if not (folder / 'manifest.json').is_file():
            raise FileNotFoundError(f'{folder} has no manifest.json: name a folder that mmvod '
                                    'export wrote')
        self.manifest: dict[str, Any] = json.loads(
            (folder / 'manifest.json').read_text(encoding='utf-8'))
        if self.manifest['format'] != FORMAT:
            raise ValueError(f'{folder} has the format {self.manifest["format"]}, this file reads '
                             f'{FORMAT}: use the video_runtime.py of the folder, or export anew')
        self.classes: tuple[str, ...] = tuple(self.manifest['classes'])
        self.frame_shape: tuple[int, int] = tuple(self.manifest['frame_shape'])
        self.lookahead = _Policies(self.manifest['references'], 0).lookahead
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        self._frame, self._temporal = (
            onnxruntime.InferenceSession(str(folder / graph['file']), options,
                                         providers=list(providers))
            for graph in (self.manifest['graphs'][name] for name in ('frame', 'temporal')))
        self._channels: int = self.manifest['graphs']['frame']['outputs']['feats']['shape'][1]

    def stream(self, frames: Iterable[np.ndarray], video_id: Hashable = 0,
               video_length: int | None = None) -> Iterator[FrameDetections]:
        """Detect in the frames of one video; each is detected as soon as its references are there.

        Any number of streams may share a runtime.

        Args:
            frames: (H, W, 3) each, BGR uint8, as OpenCV reads them.
            video_id: Identity of the video, a seed of shuffled references.
            video_length: Number of frames; None for the length of ``frames``, or for a live input.

        Raises:
            ValueError: If the length must be known and is not, or is not the number of frames; or
                if a frame is not of the size and type that the model was exported for.
        """
        if video_length is None and hasattr(frames, '__len__'):
            video_length = len(frames)
        policies = _Policies(self.manifest['references'], video_id)
        if video_length is None and policies.lookahead is None:
            raise ValueError('the references of this model come from the whole video: pass '
                             'video_length, or export a model with causal references (CausalWindow '
                             'and GlobalReservoir) for live input')
        return self._run(iter(frames), policies, video_length)

    def encode(self, frame: np.ndarray) -> Objects:
        """The objects of one frame.

        Args:
            frame: (H, W, 3), BGR uint8.

        Raises:
            FloatingPointError: If the network gives NaN.
            ValueError: If it is no such frame, or of another size.
        """
        shape, dtype = getattr(frame, 'shape', None), getattr(frame, 'dtype', None)
        if shape != (*self.frame_shape, 3) or dtype != np.uint8:
            height, width = self.frame_shape
            raise ValueError(f'the frame has the shape {shape} and the type {dtype}: this model '
                             f'was exported for uint8 frames ({height}, {width}, 3), BGR. Resize '
                             'frames before, or export it for their size')
        image = network_input(frame, self.manifest['preprocess'])
        boxes, _, feats, valid = self._frame.run(None, {'image': image})
        if np.isnan(feats).any():
            raise FloatingPointError('the frame graph gives NaN: nothing would be detected. Check '
                                     'the weights that were exported')
        return Objects(boxes, feats, valid)

    def _run(self, frames: Iterator[np.ndarray], policies: _Policies,
             video_length: int | None) -> Iterator[FrameDetections]:
        keep = self.manifest['bank']['objects']
        memory = _Memory(self.manifest['memory'], self._channels)
        last_use = None if policies.lookahead is not None else policies.last_use(video_length)
        held: dict[int, Objects] = {}
        count = key = 0
        while video_length is None or key < video_length:
            needed = policies.ready(key, count, video_length, held)
            if needed is None:
                frame = next(frames, _END)
                if frame is not _END:
                    held[count] = self.encode(frame)
                    count += 1
                elif video_length is None:
                    video_length = count  # a live input ends here
                else:
                    raise ValueError(f'{count} frames came but video_length is {video_length}; '
                                     f'frames from {key} on are not detected')
                continue
            references = {role: [held[t] for t in ids] for role, ids in needed.items()}
            yield self._detect(key, held[key], references, memory)
            key += 1
            held[key - 1] = held[key - 1].top(keep).copy()
            for t in list(held):
                if not (t >= key or policies.still_needed(t, key) if last_use is None
                        else last_use[t] >= key):
                    del held[t]
        if next(frames, _END) is not _END:
            raise ValueError(f'the video has {video_length} frames, but more came; check '
                             'video_length')

    def _detect(self, key_id: int, key: Objects, references: dict[str, list[Objects]],
                memory: _Memory) -> FrameDetections:
        feed = {f'key_{name}': value for name, value in vars(key).items()}
        count = self.manifest['bank']['objects']
        for role, frames in self.manifest['bank']['frames'].items():
            known = [part.top(count) for part in references.get(role, [])]
            known += [Objects.none(count, self._channels)] * (frames - len(known))
            feed |= _stacked(role, known)
        feed |= memory.read()
        names = [part.name for part in self._temporal.get_outputs()]
        found = dict(zip(names, self._temporal.run(names, feed), strict=True))
        memory.write(found)
        boxes, scores, labels = select(found['boxes'][key.valid], found['scores'][key.valid],
                                       self.manifest)
        return FrameDetections(key_id, boxes, scores, labels)


class _Memory:
    """Objects of past key frames by level, the oldest first."""

    def __init__(self, layout: dict[str, Any], channels: int) -> None:
        self._frames: int = layout['frames']
        self._levels = [[Objects.none(count, channels)] * self._frames
                        for count in layout['objects']]

    def read(self) -> dict[str, np.ndarray]:
        """Inputs of the temporal graph."""
        return {name: value for level, frames in enumerate(self._levels)
                for name, value in _stacked(f'memory{level}', frames).items()}

    def write(self, found: dict[str, np.ndarray]) -> None:
        """Take the new rows; the oldest frame leaves. Frames that are there stand at the end."""
        for level, frames in enumerate(self._levels):
            new = Objects(*(found[f'new_memory{level}_{name}']
                            for name in ('boxes', 'feats', 'valid')))
            self._levels[level] = [*frames[1:], new]


def _stacked(name: str, frames: list[Objects]) -> dict[str, np.ndarray]:
    return {f'{name}_{part}': np.stack([getattr(objects, part) for objects in frames])
            for part in ('boxes', 'feats', 'valid')}


class _Policies:
    """References of key frames by role, as the policies of ``mmvod_plugins.references`` name them.

    Args:
        settings: ``references`` of the manifest.
        video_id: Identity of the video, a seed.
    """

    def __init__(self, settings: Sequence[dict[str, Any]], video_id: Hashable) -> None:
        rules = dict(window=_Window, shuffle=_Shuffle, spread=_Spread, reservoir=_Reservoir)
        self._rules = [(part['role'], rules[part['rule']](part, video_id)) for part in settings]

    @property
    def lookahead(self) -> int | None:
        """The largest of all; None if one needs the whole video."""
        ahead = [rule.lookahead for _, rule in self._rules]
        return None if None in ahead else max(ahead, default=0)

    def frames(self, key: int, length: int) -> dict[str, list[int]]:
        """Reference frames by role."""
        return {role: rule.frames(key, length) for role, rule in self._rules}

    def ready(self, key: int, count: int, length: int | None,
              held: dict[int, Objects]) -> dict[str, list[int]] | None:
        """The references of a key frame if it and they are there, after ``count`` frames."""
        if key >= count or (length is None and count <= key + self.lookahead):
            return None
        roles = self.frames(key, count if length is None else length)
        return roles if all(t in held for ids in roles.values() for t in ids) else None

    def still_needed(self, frame: int, next_key: int) -> bool:
        """Whether a later key frame may look at a frame; not for rules of the whole video."""
        return any([rule.still_needed(frame, next_key) for _, rule in self._rules])

    def last_use(self, length: int) -> list[int]:
        """For every frame the last key frame that looks at it."""
        last = list(range(length))
        for key in range(length):
            for ids in self.frames(key, length).values():
                for t in ids:
                    last[t] = max(last[t], key)
        return last


class _Window:
    """``LocalWindow`` and ``CausalWindow``."""

    def __init__(self, settings: dict[str, Any], _: Hashable) -> None:
        self.before, self.after, self.stride = (
            settings[name] for name in ('before', 'after', 'stride'))
        self.cut = settings['outside'] == 'cut'
        self.lookahead = self.after * self.stride

    def frames(self, key: int, length: int) -> list[int]:
        """The window, oldest frame first."""
        frames = [key + self.stride * o for o in range(-self.before, self.after + 1)]
        if self.cut:
            return [t for t in frames if 0 <= t < length]
        return [min(max(t, 0), length - 1) for t in frames]

    def still_needed(self, frame: int, next_key: int) -> bool:
        """Whether the window has not passed it."""
        return frame >= next_key - self.before * self.stride


class _Shuffle:
    """``GlobalShuffle``."""

    lookahead = None

    def __init__(self, settings: dict[str, Any], video_id: Hashable) -> None:
        self.count, self.seed, self.video_id = settings['num_frames'], settings['seed'], video_id
        self._order: list[int] = []

    def frames(self, key: int, length: int) -> list[int]:
        """The sliding set, the frame that leaves next first."""
        if len(self._order) != length:
            self._order = _rng(self.seed, self.video_id).permutation(length).tolist()
        entries = [self.count - 1 - i if i < self.count else i
                   for i in range(key, key + self.count)]
        return [self._order[i % length] for i in entries]


class _Spread:
    """``UniformStride``."""

    lookahead = None

    def __init__(self, settings: dict[str, Any], _: Hashable) -> None:
        self.count, self.append_key = settings['num_frames'], settings['append_key']

    def frames(self, key: int, length: int) -> list[int]:
        """The same spread for every key frame."""
        step = (length - 1) / max(self.count - 1, 1)
        return [round(i * step) for i in range(self.count)] + [key] * self.append_key


class _Reservoir:
    """``GlobalReservoir``: the frames of the past with the largest random priorities."""

    lookahead = 0

    def __init__(self, settings: dict[str, Any], video_id: Hashable) -> None:
        self.count, self.seed, self.video_id = settings['num_frames'], settings['seed'], video_id
        self._end, self._held, self._block = 0, [], np.zeros(0)

    def frames(self, key: int, length: int) -> list[int]:
        """The reservoir; the first key frame itself."""
        return sorted(t for _, t in self._before(key)) or [key]

    def still_needed(self, frame: int, next_key: int) -> bool:
        """Frames in the reservoir, and those not yet offered to it."""
        return frame >= next_key - 1 or any(t == frame for _, t in self._before(next_key))

    def _before(self, end: int) -> list[tuple[float, int]]:
        if end < self._end:
            self._end, self._held = 0, []
        for t in range(self._end, end):
            if t % BLOCK == 0:
                self._block = _rng(self.seed, f'{self.video_id}/{t // BLOCK}').random(BLOCK)
            self._held = sorted([*self._held, (float(self._block[t % BLOCK]), t)])[-self.count:]
        self._end = end
        return self._held


def _rng(seed: int, video_id: Hashable) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(str(video_id).encode())])


def network_input(frame: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """A frame (H, W, 3), BGR uint8, as the network takes it: (1, 3, H', W'), float32.

    Args:
        frame: Of the size that the model was exported for.
        settings: ``preprocess`` of the manifest.
    """
    image = resized(frame, *settings['resize']).astype(np.float32)
    if settings['to_rgb']:
        image = image[..., ::-1]
    image = (image - np.array(settings['mean'], np.float32)) / np.array(settings['std'], np.float32)
    height, width = settings['pad']
    padding = (0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)
    image = np.pad(image, padding, constant_values=settings['pad_value'])
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image (H, W, C), uint8, as OpenCV's bilinear interpolation does.

    OpenCV computes in integers: weights have 11 bits, products are cut as here. Half the size in
    both directions is the average of four pixels there.
    """
    if image.shape[:2] == (height, width):
        return image
    if image.shape[:2] == (2 * height, 2 * width):
        four = image.reshape(height, 2, width, 2, -1).astype(np.uint16)
        return ((four.sum((1, 3)) + 2) >> 2).astype(np.uint8)
    (top, bottom, v), (left, right, h) = (
        _neighbours(image.shape[axis], size) for axis, size in enumerate((height, width)))
    rows = image.astype(np.int32)
    rows = rows[:, left] * h[0][:, None] + rows[:, right] * h[1][:, None] >> 4
    upper, lower = (rows[which] * weight[:, None, None] >> 16
                    for which, weight in zip((top, bottom), v, strict=True))
    return (upper + lower + 2 >> 2).astype(np.uint8)


def _neighbours(before: int, after: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two pixels of ``before`` for each of ``after``, and their weights (2, after) times 2048."""
    place = ((np.arange(after) + 0.5) * (before / after) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    part = place - first.astype(np.float32)
    weights = np.rint(np.stack([1 - part, part]) * np.float32(2048)).astype(np.int32)
    return first.clip(0, before - 1), (first + 1).clip(0, before - 1), weights


def select(boxes: np.ndarray, scores: np.ndarray,
           manifest: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detections from boxes and scores of all objects: threshold, suppression, limit.

    Args:
        boxes: (N, 4) or (N, 4 K), in pixels of the network input.
        scores: (N, K + 1), the background last.
        manifest: With ``preprocess.scale_factor`` and ``suppression``.

    Returns:
        Boxes (D, 4) in pixels of the frame, scores (D,) and labels (D,), the best first.
    """
    settings = manifest['suppression']
    factors = [1 / factor for factor in manifest['preprocess']['scale_factor']]
    boxes = boxes.reshape(len(boxes), -1, 4) * np.array(factors * 2, np.float32)
    rows, labels = np.nonzero(scores[:, :-1] > np.float32(settings['score_thr']))
    scores = scores[rows, labels]
    boxes = boxes[rows, labels if boxes.shape[1] > 1 else 0]
    groups = np.zeros_like(labels) if settings['class_agnostic'] else labels
    # boxes of classes are moved apart as mmcv moves them, so that overlaps are rounded alike
    shift = np.float32(0) if not len(boxes) else boxes.max() + np.float32(1)
    shifted = boxes + (groups.astype(np.float32) * shift)[:, None]
    shifted[:, 2:] += settings['offset']  # 1 where the last corner is a pixel of the box
    kept = [part[suppress(shifted[part], scores[part], settings['iou_threshold'])]
            for part in (np.flatnonzero(groups == group) for group in np.unique(groups))]
    best = np.concatenate([np.zeros(0, np.int64), *kept])
    best = best[np.argsort(-scores[best], kind='stable')]
    if settings['max_per_img'] > 0:
        best = best[:settings['max_per_img']]
    return boxes[best], scores[best], labels[best]


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Rows that greedy suppression keeps, the best first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: Boxes that overlap a better one by more than this are suppressed.
    """
    order, kept = np.argsort(-scores, kind='stable'), []
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides[:, 0] * sides[:, 1]
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        shared = np.minimum(boxes[best, 2:], boxes[order, 2:]) - np.maximum(
            boxes[best, :2], boxes[order, :2])
        shared = shared.clip(min=0).prod(1)
        joined = areas[best] + areas[order] - shared
        order = order[~(shared > np.float32(iou_threshold) * joined)]
    return np.array(kept, np.int64)
