"""Everything that is measured and tested on a GPU, in one command.

    python tools/analysis_tools/gpu_report.py OUT

Into the folder OUT go, one after the other: the result of the tests marked `gpu`; a table of all
methods (`benchmark_video.py`, 600 x 1000) for both backbones, single precision, TF32 and bf16,
with and without a compiled backbone; seconds of a training step of every method with and without
`--amp`, and with one process of NCCL. What fails is named at the end and does not stop the rest.
`--device cpu --configs CONFIG --size 64 48` tries the command without a GPU.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn
from video_timing import LENGTH, at_size, clock_of, load_config

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.references import KEY_ROLE
from mmvod_plugins.structures import track_sample

HERE = Path(__file__).resolve().parent
#: Of the table, `{}` is the depth; the first one is what the others are compared with.
CONFIGS = [
    'faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'mega_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'rdn-base_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'rdn_faster-rcnn_r{}-conv4-dc5_4xb1-60k_imagenetvid',
    'selsa_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'selsa-troialign_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'fgfa_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'fgfa_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'dff_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'dff_faster-rcnn_r{}-dc5_8xb1-7e_imagenetvid',
    'mst_faster-rcnn_r{}-conv4-dc5_4xb1-120k_imagenetvid',
    'stmn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
    'stmn_rfcn_r101_4xb1-40k_imagenetvid',
    'ogemn_faster-rcnn_r50-fpn_4xb1-40k_imagenetvid',
    'ogemn_rfcn_r101_1xb1-10k_imagenetvid',
    'yolov_yolox-s_1xb1-105k_imagenetvid',
    'yolovpp_yolox-s_1xb1-105k_imagenetvid',
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all parts; the exit code is 1 if one of them failed."""
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    size = ['--size', *map(str, args.size), '--device', args.device]
    failed = []
    if args.train:
        print(json.dumps({name: train(name, args) for name in args.train}))
        return 0
    if args.tests:
        failed += run([sys.executable, '-m', 'pytest', '-q', '-m', 'gpu', 'tests'],
                      args.out / 'tests.txt')
    for precision, compiled in itertools.product(args.precisions, ([], ['--compile'])):
        for depth in (50, 101):
            names = [name.format(depth) for name in args.configs if depth == 50 or '{}' in name]
            # a process for each config holds its model: pairs with the detector that is first
            for name in names[1:] or names:
                out = args.out / '_'.join([Path(name).stem, precision, *compiled])
                failed += run(
                    [sys.executable, str(HERE / 'benchmark_video.py'), names[0], name, *size,
                     '--precision', precision, '--counts', *compiled, '--rounds',
                     str(args.rounds), '--json', f'{out}.json'], Path(f'{out}.txt'))
    for name in dict.fromkeys(name.format(50) for name in args.configs):
        for extra in ([], ['--amp'], ['--nccl']):
            out = args.out / '_'.join(['train', Path(name).stem, *extra])
            failed += run([sys.executable, __file__, str(args.out), '--train', name, *extra, *size,
                           '--rounds', str(args.rounds)], Path(f'{out}.txt'))
    print('\n'.join(['failed:', *failed]) if failed else 'all parts ran')
    return int(bool(failed))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='folder of the results')
    parser.add_argument('--configs', nargs='+', default=CONFIGS, help='{} stands for 50 and 101')
    parser.add_argument('--precisions', nargs='+', default=['fp32', 'tf32', 'bf16'])
    parser.add_argument('--size', type=int, nargs=2, default=(1000, 600), metavar=('W', 'H'))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--no-tests', dest='tests', action='store_false')
    parser.add_argument('--train', nargs='+', help='measure training steps of these configs alone')
    parser.add_argument('--amp', action='store_true', help='training in mixed precision')
    parser.add_argument('--nccl', action='store_true', help='training in a group of one process')
    return parser.parse_args(argv)


def run(command: list[str], out: Path) -> list[str]:
    """Run a command, its output into a file; its name if it fails."""
    print(out.stem, file=sys.stderr, flush=True)
    with out.open('w') as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    return [] if done.returncode == 0 else [f'{out} ends with {done.returncode}']


def train(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a training step on random frames, loss, backward and update."""
    size = tuple(args.size)
    model = init_video_detector(at_size(load_config(name), size), device=args.device).train()
    step: nn.Module = model
    if args.nccl:
        os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT='29511', RANK='0', WORLD_SIZE='1')
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group('nccl' if args.device != 'cpu' else 'gloo')
        step = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    optimizer = torch.optim.SGD(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-6)
    scaler = torch.amp.GradScaler(enabled=args.amp and args.device != 'cpu')
    clock, seconds = clock_of(args.device), []
    dtype = torch.bfloat16 if args.device == 'cpu' else torch.float16
    for number in range(args.rounds + 1):
        batch = training_clip(model, size, number)
        start = clock()
        with torch.autocast(args.device.split(':')[0], dtype, enabled=args.amp):
            data = model.data_preprocessor(batch, True)
            loss, _ = model.parse_losses(step(**data, mode='loss'))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seconds.append(clock() - start)
    return dict(seconds=statistics.median(seconds[1:]), frames=batch['inputs'][0].shape[0])


def training_clip(model: VideoDetector, size: tuple[int, int], seed: int) -> dict[str, list]:
    """A random key frame with the references that the policy draws."""
    rng = np.random.default_rng(seed)
    roles = model.policy.sample(LENGTH // 2, LENGTH, rng)
    order = [(KEY_ROLE, LENGTH // 2), *((role, t) for role, ids in roles.items() for t in ids)]
    width, height = size
    samples = []
    for role, frame_id in order:
        sample = DetDataSample(metainfo=dict(
            img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 1.0),
            frame_id=frame_id, video_id=0, ori_video_length=LENGTH, role=role))
        corner = rng.uniform(0, 0.5, (3, 2)) * [width, height]
        boxes = np.concatenate([corner, corner + np.array([width, height]) / 3], axis=1)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32),
            labels=torch.tensor(rng.integers(0, 2, 3)), instances_ids=torch.arange(3))
        sample.ignored_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        samples.append(sample)
    frames = torch.from_numpy(rng.integers(0, 256, (len(order), 3, height, width), np.uint8))
    return dict(inputs=[frames], data_samples=[track_sample(samples)])


if __name__ == '__main__':
    sys.exit(main())
