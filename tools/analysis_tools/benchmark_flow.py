"""Time of DFF against its single-frame detector, and of FGFA against the sum of its parts.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_flow.py CONFIG [CONFIG ...]

Weights and frames are random, as only shapes matter. Everything that is compared runs in turn,
so that a busy machine slows all of it alike; printed are medians over the repetitions, of seconds
(processor time on a CPU) and of ratios. A first, uncounted repetition warms up.

DFF: a mean frame is one that passes the backbone and ``interval - 1`` between, as the config's
policy has it. FGFA: a key frame in the middle of a video, with all references of the config.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from benchmark_methods import remove_pretrained
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.engine.where import find_config
from mmvod_plugins.models import DFFNeck, FGFANeck, VideoDetector
from mmvod_plugins.models.necks.fgfa_neck import EMBEDDING, cosine
from mmvod_plugins.structures import FramePlace, FramePlan, FrameRecord, place_of

#: What is timed, by its label; and ratios of the seconds of one repetition.
Programs = dict[str, Callable[[], object]]
Ratios = Callable[[list[float]], dict[str, float]]
#: Frames of the video that is made up.
LENGTH = 1000


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+',
                        help='of FGFA or DFF: paths, or names of installed configs')
    parser.add_argument('--size', type=int, nargs=2, default=(1000, 600), metavar=('W', 'H'),
                        help='of the frames in the network')
    parser.add_argument('--repetitions', type=int, default=5)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--threads', type=int, default=1, help='of torch, on a CPU')
    return parser.parse_args(arguments)


def build(name: str, device: str) -> VideoDetector:
    """The model of a config, with random weights."""
    config = Config.fromfile(name if name.endswith('.py') else find_config(name))
    remove_pretrained(config.model)
    return init_video_detector(config, device=device)


def network_input(model: VideoDetector, size: tuple[int, int],
                  frame_id: int) -> tuple[Tensor, DetDataSample]:
    """A random frame, (1, 3, H, W), normalised and padded, and its sample."""
    generator = torch.Generator().manual_seed(frame_id)
    shape = (size[1], size[0])
    sample = DetDataSample(metainfo=dict(
        img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), frame_id=frame_id,
        video_id='video', ori_video_length=LENGTH))
    clip = TrackDataSample()
    clip.video_data_samples = [sample]
    pixels = torch.randint(0, 256, (1, 3, *shape), generator=generator, dtype=torch.uint8)
    data = model.data_preprocessor(dict(inputs=[pixels], data_samples=[clip]))
    return data['inputs'][0], data['data_samples'][0][0]


def encode(model: VideoDetector, frame: Tensor, sample: DetDataSample) -> FrameRecord:
    """The record of a frame, with what the policy asks for."""
    plan = model.policy.plan(place_of(sample))
    [record] = model.encoder.encode(frame, [sample], [plan])
    return record


def detect_alone(model: VideoDetector, record: FrameRecord) -> InstanceData:
    """Detect in the maps of a frame as they are, with the stock head."""
    [raw] = model.adapter.raw(record.maps, [record], model.output)
    return model.adapter.select(raw, record, model.output, rescale=True)


def single_frame(model: VideoDetector, frame: Tensor, sample: DetDataSample) -> InstanceData:
    """Detect with the stock detector in a frame."""
    record = FrameRecord(place_of(sample), FramePlan(), sample, model.adapter.maps(frame))
    return detect_alone(model, record)


def dff_programs(model: VideoDetector, size: tuple[int, int]) -> tuple[Programs, Ratios]:
    """The single-frame detector, and DFF on a frame of either kind."""
    first, second = (network_input(model, size, frame_id) for frame_id in (0, 1))
    source = encode(model, *first)

    def detect(frame: Tensor, sample: DetDataSample, passes: bool) -> object:
        record = encode(model, frame, sample)
        references = {'local': [record if passes else source]}
        return model.detect(record, references, model.init_memory())

    interval = next(t for t in range(1, LENGTH)
                    if model.policy.plan(FramePlace('video', t, LENGTH)).maps)

    def ratios(seconds: list[float]) -> dict[str, float]:
        single, passing, between = seconds
        mean = (passing + (interval - 1) * between) / interval
        return {f'mean frame (interval {interval}) / single frame': mean / single,
                'frame between / single frame': between / single}

    return {
        'single frame': lambda: single_frame(model, *first),
        'DFF, frame that passes the backbone': lambda: detect(*first, True),
        'DFF, frame between': lambda: detect(*second, False),
    }, ratios


def fgfa_window(model: VideoDetector, new: FrameRecord) -> tuple[FrameRecord, list[FrameRecord]]:
    """The key frame and all frames of its window; random maps, as those of the new frame."""
    key_id = LENGTH // 2
    roles = model.policy.frames(key_id, LENGTH)
    records = {frame_id: other_frame(new, frame_id)
               for frame_id in sorted({t for ids in roles.values() for t in ids} | {key_id})}
    return records[key_id], [records[t] for ids in roles.values() for t in ids]


def other_frame(record: FrameRecord, frame_id: int) -> FrameRecord:
    """A record of the same shapes."""
    def drawn(value: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if isinstance(value, tuple):
            return tuple(drawn(part) for part in value)
        return torch.rand_like(value)

    place = dataclasses.replace(record.place, frame_id=frame_id)
    return dataclasses.replace(record, place=place, maps=drawn(record.maps),
                               extras={name: drawn(part) for name, part in record.extras.items()})


def fgfa_programs(model: VideoDetector, size: tuple[int, int]) -> tuple[Programs, Ratios]:
    """FGFA on a key frame, and its parts, each as often as it must run for one."""
    neck = model.temporal_neck
    frame, sample = network_input(model, size, 0)
    new = encode(model, frame, sample)
    key, window = fgfa_window(model, new)
    all_warped = neck.warp_key == 'all'
    moved = [record for record in window if all_warped or record is not key]
    motion = neck.find_motion(key, moved)
    maps = [torch.cat(level) for level in zip(*(r.maps for r in moved), strict=True)]
    own = [] if all_warped else list(key.maps)
    if neck.embeds_frames:
        embedded = [torch.cat(level)
                    for level in zip(*(r.extras[EMBEDDING] for r in moved), strict=True)]
        to_warp, to_embed = maps + embedded, list(new.maps)
    else:
        embedded = [neck.embed_convs(level) for level in maps]
        to_warp, to_embed = maps, maps + own

    def whole() -> object:
        record = encode(model, frame, sample)
        return model.detect(key, {'local': window}, model.init_memory()), record

    def average() -> list[Tensor]:
        return [(level * cosine(e, e[:1]).softmax(dim=0)).sum(dim=0)
                for level, e in zip(maps, embedded, strict=True)]

    def ratios(seconds: list[float]) -> dict[str, float]:
        whole, backbone, *others, head = seconds
        return {'key frame / sum of its parts': whole / (backbone + sum(others) + head),
                'key frame / backbone and head': whole / (backbone + head)}

    return {
        'FGFA, a key frame': whole,
        'backbone, 1 frame': lambda: model.adapter.maps(frame),
        f'flow, {len(moved)} pairs': lambda: neck.find_motion(key, moved),
        'warp': lambda: [neck.warp(level, motion) for level in to_warp],
        'embedding': lambda: [neck.embed_convs(level) for level in to_embed],
        'weights and mean': average,
        'head': lambda: detect_alone(model, key),
    }, ratios


METHODS = {DFFNeck: dff_programs, FGFANeck: fgfa_programs}


def timed(program: Callable[[], object], device: str) -> float:
    """Seconds of one call."""
    if not device.startswith('cuda'):
        start = time.process_time()
        program()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    program()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def measure(name: str, args: argparse.Namespace) -> None:
    """Print times and ratios of one config.

    Raises:
        SystemExit: If it has no flow-guided neck.
    """
    model = build(name, args.device)
    if type(model.temporal_neck) not in METHODS:
        raise SystemExit(f'{name} has the temporal neck {type(model.temporal_neck).__name__}: '
                         'give a config of FGFA or DFF')
    programs, make_ratios = METHODS[type(model.temporal_neck)](model, tuple(args.size))
    seconds: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for repetition in range(args.repetitions + 1):
        start = time.perf_counter()
        once = {label: timed(program, args.device) for label, program in programs.items()}
        print(f'  repetition {repetition} of {args.repetitions}: '
              f'{time.perf_counter() - start:.1f} s', file=sys.stderr, flush=True)
        if repetition:
            for store, values in ((seconds, once), (ratios, make_ratios(list(once.values())))):
                for label, value in values.items():
                    store.setdefault(label, []).append(value)
    for label, values in seconds.items():
        print(f'  {label:40s}{statistics.median(values):10.3f} s')
    for label, values in ratios.items():
        print(f'  {label:40s}{statistics.median(values):10.3f} '
              f'({min(values):.3f} to {max(values):.3f})', flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one config after the other."""
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    print(f'{args.size[0]} x {args.size[1]} pixels, {args.repetitions} repetitions, '
          f'{args.device}, {args.threads} threads, torch {torch.__version__}')
    for name in args.configs:
        print(name.rsplit('/', 1)[-1].removesuffix('.py'), flush=True)
        measure(name, args)
    return 0


if __name__ == '__main__':
    sys.exit(main())
