"""Run our models as mega.pytorch's golden runs did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.adapters import TwoStageAdapter
from mmvod_plugins.models.memories import LongRangeMemory
from mmvod_plugins.references import ComposedReferences, GlobalShuffle, LocalWindow, ReferencePolicy

from .golden import ROOT, load, meta, published_weights

BASES = ROOT / 'configs' / '_base_' / 'models'
#: The shipped config of every published model of RDN.
RDN = {
    'rdn_base': 'rdn-base_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid.py',
    'rdn': 'rdn_faster-rcnn_r50-conv4-dc5_4xb1-60k_imagenetvid.py',
}
#: The base config of the others.
MODELS_OF = {'base': 'faster-rcnn', 'fgfa': 'fgfa_faster-rcnn', 'dff': 'dff_faster-rcnn'}


class RecordedShuffle(GlobalShuffle):
    """The recorded global order in place of a seeded one."""

    def __init__(self, order: np.ndarray) -> None:
        super().__init__(num_frames=10)
        self.recorded = tuple(int(t) for t in order)

    def order(self, video_length, video_id):
        return self.recorded


class LoaderTrap(ReferencePolicy):
    """The published loader's fault: at the first step it passes the last global image as frame 0.

    Windows and the detection of frame 0 then come from that image, while frame 0 as a global
    frame is itself. Here a last, extra frame holds the true frame 0 for its global role.
    """

    lookahead = None

    def __init__(self, policy: ReferencePolicy) -> None:
        super().__init__()
        self.policy = policy

    @property
    def draws(self):
        return self.policy.draws

    def sample(self, key_id, video_length, rng):
        return self.policy.sample(key_id, video_length, rng)

    def frames(self, key_id, video_length, video_id=0):
        true_length = max(video_length - 1, 1)
        roles = self.policy.frames(min(key_id, true_length - 1), true_length, video_id)
        return {**roles, 'global': [t or true_length for t in roles['global']]}


def without_pretrained(config: Any) -> Any:
    """Drop every ``init_cfg``: tests load their own weights."""
    if isinstance(config, dict):
        config.pop('init_cfg', None)
        for value in config.values():
            without_pretrained(value)
    return config


def model_config(model: str) -> Any:
    """Config of one of our models by the name of the published one."""
    if model in RDN:
        return without_pretrained(Config.fromfile(ROOT / 'configs' / 'rdn' / RDN[model]).model)
    name = MODELS_OF.get(model, 'mega_faster-rcnn')
    config = Config.fromfile(BASES / f'{name}_r50-conv4-dc5.py').model
    if model == 'mega_res1':
        config.detector.roi_head.aggregator.num_result_stages = 1
    return without_pretrained(config)


def build(path: Path) -> VideoDetector:
    """The model of a golden run with its weights, loaded as a published file would be."""
    run = path.stem.removeprefix('e2e_')
    facts = meta(path.parent)
    model = facts['models'][run]
    config = model_config(model)
    weights = published_weights(path.parent, model, facts['weight_seed'])
    if model.startswith('mega'):
        aggregator = config.detector.roi_head.aggregator
        policies: list[ReferencePolicy] = [LocalWindow(12)]
        if run == 'mega_noglobal':
            aggregator.num_global_stages = 0
            weights = {key: value for key, value in weights.items() if '.g_' not in key}
        else:
            policies.append(RecordedShuffle(load(path)['perm']))
        if run == 'mega_nomem':
            aggregator.memory_size = 0
        config.references = ComposedReferences(policies)
        if run == 'mega_perm_loader':
            config.references = LoaderTrap(config.references)
    detector = MODELS.build(config)
    published = {'model': {f'module.{key}': value for key, value in weights.items()}}
    load_state_dict(detector, published, strict=True)
    return detector.eval()


def video_length(golden: dict[str, np.ndarray]) -> int:
    """Frames of the video; a run that is cut short has results of the first ones alone."""
    return int(golden.get('video_length', len(golden['prop_count'])))


def images(path: Path) -> np.ndarray:
    """Frames of a run, (L, H, W, 3) RGB uint8."""
    golden = load(path)
    frames = load(path.parent / 'video.npz')['frames'][:video_length(golden)]
    if 'cur_frame_at_0' in golden:
        frames = np.concatenate([frames[[int(golden['cur_frame_at_0'])]], frames[1:], frames[:1]])
    return frames


def run(model: VideoDetector, frames: np.ndarray, num_keys: int) -> dict[str, np.ndarray]:
    """Detect in the first key frames; return arrays in the layout of the golden runs."""
    outputs, proposals = [], {}
    out: dict[str, list] = {key: [] for key in ('prop_count', 'prop_boxes', 'prop_scores',
                                                'det_count', 'det_boxes', 'det_scores',
                                                'det_labels')}
    dense: dict[str, np.ndarray] = {}
    remembered = _record_memory(model)
    hook = model.detector.roi_head.bbox_head.register_forward_hook(
        lambda _, __, output: outputs.append(output))
    restore = _record_proposals(proposals)
    try:
        done = 0
        for frame_id in model.policy.schedule(len(frames), 0):
            for sample in _step(model, frames, frame_id):
                logits, deltas = (part.numpy() for part in outputs[done])
                if done < num_keys:
                    _store(out, sample, proposals[sample.frame_id])
                    dense[f'logits_{done}'] = np.roll(logits, 1, axis=1)
                    dense[f'deltas_{done}'] = deltas
                done += 1
            if done >= num_keys:
                break
    finally:
        hook.remove()
        restore()
        del model.detect
        model.streams._streams.clear()
    return dense | {'memory': remembered[:num_keys]} | {
        key: np.array(value) if key.endswith('count') else np.concatenate(value)
        for key, value in out.items()
    }


def reference_proposals(model: VideoDetector, frames: np.ndarray, frame_id: int) -> Tensor:
    """Boxes (75, 4) of a frame in its role as a reference."""
    [record] = model.encode(*network_input(model, frames, frame_id))
    return record.objects.top(model.adapter.head.needs.topk).boxes


def network_input(model: nn.Module, frames: np.ndarray,
                  frame_id: int) -> tuple[Tensor, list[TrackDataSample]]:
    """A frame as :meth:`VideoDetector.encode` takes it."""
    data = model.data_preprocessor(_batch(frames, frame_id), training=False)
    return data['inputs'], data['data_samples']


def _batch(frames: np.ndarray, frame_id: int) -> dict[str, Any]:
    """A batch of one frame as the data loader gives it, BGR."""
    image = torch.from_numpy(frames[frame_id][..., ::-1].copy()).permute(2, 0, 1)[None]
    shape = tuple(image.shape[-2:])
    clip = TrackDataSample()
    clip.video_data_samples = [
        DetDataSample(metainfo=dict(
            video_id=0, frame_id=frame_id, ori_video_length=len(frames), img_id=frame_id,
            img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)))
    ]
    return dict(inputs=[image], data_samples=[clip])


def _step(model: VideoDetector, frames: np.ndarray, frame_id: int) -> list[DetDataSample]:
    results = model.test_step(_batch(frames, frame_id))
    return [result[0] for result in results if isinstance(result, TrackDataSample)]


def _record_proposals(found: dict[int, Any]) -> Callable[[], None]:
    """Note the proposals of every frame; returns what undoes it."""
    original = TwoStageAdapter.propose

    def propose(adapter, maps, records):
        results = original(adapter, maps, records)
        found.update({r.frame_id: part for r, part in zip(records, results, strict=True)})
        return results

    TwoStageAdapter.propose = propose
    return lambda: setattr(TwoStageAdapter, 'propose', original)


def _record_memory(model: VideoDetector) -> list[list[int]]:
    """Note which frames the memory holds when a key frame reads it."""
    found: list[list[int]] = []
    original = model.detect

    def detect(key, references, memory, rescale=True):
        queue = memory.head.read(0) if isinstance(memory.head, LongRangeMemory) else []
        found.append([int(objects.frame_ids[0]) for objects in queue])
        return original(key, references, memory, rescale)

    model.detect = detect
    return found


def _store(out: dict[str, list], sample: DetDataSample, proposals: Any) -> None:
    found = sample.pred_instances
    out['prop_count'].append(len(proposals))
    out['prop_boxes'].append(proposals.bboxes.numpy())
    out['prop_scores'].append(proposals.scores.numpy())
    out['det_count'].append(len(found))
    out['det_boxes'].append(found.bboxes.numpy())
    out['det_scores'].append(found.scores.numpy())
    out['det_labels'].append(found.labels.numpy() + 1)
