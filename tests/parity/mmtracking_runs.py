"""Run our models as MMTracking's golden runs did."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.references import (
    KeyFrameInterval,
    LocalWindow,
    ReferencePolicy,
    UniformStride,
)
from mmvod_plugins.structures import FramePlan, FrameRecord, place_of

from .golden import load
from .mega_runs import BASES, without_pretrained
from .seeded_weights import make_weights

#: Model configs by the name of the published model.
CONFIGS = {
    'selsa_r50_dc5': 'selsa_faster-rcnn_r50-dc5',
    'selsa_troi_r50_dc5': 'selsa-troialign_faster-rcnn_r50-dc5',
    'fgfa_r50_dc5': 'fgfa_faster-rcnn_r50-dc5',
    'dff_r50_dc5': 'dff_faster-rcnn_r50-dc5',
}
Arrays = dict[str, np.ndarray]


class ReferenceLoop(ReferencePolicy):
    """The window of MMTracking's test loop with a fixed stride.

    It writes a key frame between two strides into the middle slot of its memory and leaves it
    there, so that later windows hold such frames on their left. Without that it is LocalWindow.
    """

    lookahead = None

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    @property
    def draws(self):
        return {'local': 0}

    def sample(self, key_id, video_length, rng):
        return {'local': []}

    def frames(self, key_id, video_length, video_id=0):
        last = video_length - 1
        slots = [0] * (self.before + 1)
        slots += [min(i * self.stride, last) for i in range(1, self.after + 1)]
        for t in range(1, key_id + 1):
            if t % self.stride:
                slots[self.before] = t
            else:
                slots = [*slots[1:], min(t + self.after * self.stride, last)]
        return {'local': slots}


class AggregationLoop(ReferencePolicy):
    """The same window of FGFA, which replaces the warped map of the middle slot alone."""

    lookahead = None

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.window = LocalWindow((before, after), stride=stride)

    @property
    def draws(self):
        return {'local': 0}

    def sample(self, key_id, video_length, rng):
        return {'local': []}

    def frames(self, key_id, video_length, video_id=0):
        window = self.window
        slots = window.frames(key_id - key_id % window.stride, video_length)['local']
        slots[window.before] = key_id
        return {'local': slots}


def policy_of(run: dict[str, Any]) -> ReferencePolicy:
    """Our policy for the sampler of a golden run; the loop's own only where it differs."""
    sampler = run['sampler']
    if run['model'].startswith('dff'):
        return KeyFrameInterval(run['test_cfg']['key_frame_interval'])
    role = 'local' if run['model'].startswith('fgfa') else 'global'
    if sampler['method'] == 'test_with_adaptive_stride':
        return UniformStride(sampler['num_ref_imgs'], append_key=True, role=role)
    before, after = -sampler['frame_range'][0], sampler['frame_range'][1]
    if sampler['stride'] > 1 and role == 'local':
        return AggregationLoop(before, after, sampler['stride'])
    if sampler['stride'] > 1:
        return ReferenceLoop(before, after, sampler['stride'])
    return LocalWindow((before, after))


@lru_cache(maxsize=4)
def facts(path: Path) -> dict[str, Any]:
    """What a run says about itself."""
    return json.loads(str(load(path)['meta']))


@lru_cache(maxsize=2)
def _weights(folder: Path, model: str, seed: int) -> dict[str, Tensor]:
    shapes = json.loads((folder / f'{model}.keys.json').read_text())['shapes']
    counters = [name for name in shapes if name.endswith('num_batches_tracked')]
    made = make_weights(
        {name: shape for name, shape in shapes.items() if name not in counters}, seed)
    weights = {name: torch.from_numpy(array) for name, array in made.items()}
    return weights | {name: torch.tensor(0) for name in counters}


def build(folder: Path, model: str, seed: int,
          references: ReferencePolicy | None = None) -> VideoDetector:
    """A published model with its weights, loaded as a published file would be."""
    config = Config.fromfile(BASES / f'{CONFIGS[model]}.py').model
    config = without_pretrained(config)
    if references is not None:
        config.references = references
    detector = MODELS.build(config)
    load_state_dict(detector, dict(_weights(folder, model, seed)), strict=True)
    return detector.eval()


def build_for(path: Path) -> VideoDetector:
    """The model of a golden run."""
    run = facts(path)
    model = build(path.parent, run['model'], run['weights_seed'], policy_of(run))
    for part, settings in (run.get('test_cfg') or {}).items():
        if part != 'key_frame_interval':
            model.detector.test_cfg[part].update(settings)
    return model


def frames_of(path: Path) -> np.ndarray:
    """Frames of a run, (L, H, W, 3) BGR uint8."""
    run = facts(path)
    name = 'video' if run['video'] == 'a' else f'video_{run["video"]}'
    frames = load(path.parent / f'{name}.npz')['frames_bgr'][:run['num_video_frames']]
    assert list(frames.shape[1:3]) == run['image_size']
    return frames


def batch(frames: np.ndarray, frame_id: int) -> dict[str, Any]:
    """A batch of one frame as the data loader gives it."""
    image = torch.from_numpy(frames[frame_id].copy()).permute(2, 0, 1)[None]
    shape = tuple(image.shape[-2:])
    clip = TrackDataSample()
    clip.video_data_samples = [
        DetDataSample(metainfo=dict(
            video_id=0, frame_id=frame_id, ori_video_length=len(frames), img_id=frame_id,
            img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)))
    ]
    return dict(inputs=[image], data_samples=[clip])


class Recorder:
    """Notes what passes RPN and box head of a model, call by call."""

    def __init__(self, model: VideoDetector) -> None:
        self.model = model
        self.feats: list[Tensor] = []
        self.rpn: list[tuple[Tensor, Tensor]] = []
        self.box: list[tuple[Tensor, Tensor]] = []
        self.keys: list[Tensor] = []
        self.flows: list[Tensor] = []

    def __enter__(self) -> Recorder:
        detector = self.model.detector
        self._hooks = [
            detector.rpn_head.register_forward_hook(self._note_rpn),
            detector.roi_head.bbox_head.register_forward_hook(
                lambda _, __, out: self.box.append(out)),
        ]
        head = detector.roi_head
        if self.model.adapter.head is not None:
            self._wrap(head, 'enhance', lambda key, *_: key.objects.boxes)
        else:
            self._wrap(head, 'predict_bbox', lambda _, __, proposals, *___: proposals[0].bboxes)
        if self.model.temporal_neck is not None:
            motion = self.model.temporal_neck.motion
            self._hooks.append(motion.register_forward_hook(
                lambda _, __, out: self.flows.append(out.flow)))
        return self

    def _wrap(self, head: Any, name: str, boxes: Callable[..., Tensor]) -> None:
        original = getattr(head, name)

        def noting(*args, **kwargs):
            self.keys.append(boxes(*args))
            return original(*args, **kwargs)

        setattr(head, name, noting)
        self._restore = lambda: delattr(head, name)

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._restore()

    def _note_rpn(self, _: Any, args: tuple, out: tuple) -> None:
        self.feats.append(args[0][0][0])
        self.rpn.append((out[0][0][0], out[1][0][0]))


@torch.no_grad()
def run(model: VideoDetector, frames: np.ndarray, num_steps: int) -> list[Arrays]:
    """Detect through the stream; arrays in the layout of the golden runs, by frame."""
    results: list[Arrays] = []
    loaded: dict[int, int] = {}
    with Recorder(model) as noted:
        for frame_id in model.policy.schedule(len(frames), 0):
            loaded[frame_id] = len(loaded)
            for result in model.test_step(batch(frames, frame_id)):
                if isinstance(result, TrackDataSample) and len(results) < num_steps:
                    t = result[0].frame_id
                    row = loaded[t] if model.temporal_neck is None else len(results)
                    logits, deltas = noted.box[len(results)]
                    results.append(dict(
                        feat=noted.feats[row].numpy(), rpn_cls=noted.rpn[row][0].numpy(),
                        rpn_reg=noted.rpn[row][1].numpy(), cls_logits=logits.numpy(),
                        box_deltas=deltas.numpy(), boxes=noted.keys[len(results)].numpy(),
                        det=detections(result[0].pred_instances)))
            if len(results) >= num_steps:
                break
    model.streams._streams.clear()
    return results


def detections(instances: InstanceData) -> np.ndarray:
    """(N, 6) as the golden ``det``."""
    return torch.cat([instances.bboxes, instances.scores[:, None],
                      instances.labels[:, None].float()], dim=1).numpy()


@torch.no_grad()
def run_on_proposals(model: VideoDetector, frames: np.ndarray, recorded: Arrays, t: int,
                     frame_ids: list[int]) -> Arrays:
    """Detect in the key frame ``t`` with recorded proposals, references from a temporal neck."""
    records = {}
    for frame_id in dict.fromkeys([*frame_ids, t]):
        data = model.data_preprocessor(batch(frames, frame_id), training=False)
        [records[frame_id]] = model.encode(data['inputs'], data['data_samples'])
    key, boxes = records[t], torch.from_numpy(recorded[f'f{t:02}.proposals'])
    key.sample.proposals = InstanceData(bboxes=boxes[:, :4], scores=boxes[:, 4])
    with Recorder(model) as noted:
        sample = model.detect(key, {'local': [records[i] for i in frame_ids]},
                              model.init_memory())
    logits, deltas = noted.box[0]
    return dict(cls_logits=logits.numpy(), box_deltas=deltas.numpy(),
                det=detections(sample.pred_instances),
                flow=noted.flows[0].numpy() if noted.flows else None)


class RecordedProposals:
    """Runs the RoI head of a model on recorded proposals."""

    def __init__(self, model: VideoDetector, frames: np.ndarray) -> None:
        self.model, self.frames = model, frames
        self._feats: dict[int, tuple] = {}
        self._objects: dict[int, tuple] = {}

    def record(self, frame_id: int, proposals: np.ndarray) -> FrameRecord:
        """A frame's record with these proposals (N, 5)."""
        if frame_id not in self._feats:
            data = self.model.data_preprocessor(batch(self.frames, frame_id), training=False)
            sample = data['data_samples'][0][0]
            self._feats[frame_id] = sample, self.model.detector.extract_feat(data['inputs'][:, 0])
        sample, feats = self._feats[frame_id]
        known, objects = self._objects.get(frame_id, (None, None))
        if known is None or not np.array_equal(known, proposals):
            found = InstanceData(bboxes=torch.from_numpy(proposals[:, :4]),
                                 scores=torch.from_numpy(proposals[:, 4]))
            record = FrameRecord(place_of(sample), FramePlan(), sample)
            [objects] = self.model.adapter.head.extract(feats, [found], [record])
            self._objects[frame_id] = proposals, objects
        return FrameRecord(place_of(sample), FramePlan(), sample, feats, objects)

    @torch.no_grad()
    def detect(self, recorded: Arrays, t: int, slots: list[int]) -> Arrays:
        """The key frame ``t`` with the recorded references."""
        arrays = {name: recorded[f'f{t:02}.{name}']
                  for name in ('proposals', 'ref_proposals', 'ref_counts')}
        references = [
            self.record(frame_id, proposals[:count]) for frame_id, proposals, count in zip(
                slots, arrays['ref_proposals'], arrays['ref_counts'], strict=True)
        ]
        key = self.record(t, arrays['proposals'])
        aligned: list[Tensor] = []
        hook = self.model.adapter.head.embedding.register_forward_hook(
            lambda _, args, __: aligned.append(args[0]))
        with Recorder(self.model) as noted:
            sample = self.model.detect(key, {'local': references}, self.model.init_memory())
        hook.remove()
        logits, deltas = noted.box[0]
        found = dict(cls_logits=logits.numpy(), box_deltas=deltas.numpy(),
                     det=detections(sample.pred_instances))
        return found | ({'roi_feats': aligned[0][:8].numpy()} if aligned else {})


def best_match(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every box the best IoU among others (in double precision) and whose it is."""
    overlaps = bbox_overlaps(torch.from_numpy(boxes).double(), torch.from_numpy(others).double())
    best, index = overlaps.max(1)
    return best.numpy(), index.numpy()
