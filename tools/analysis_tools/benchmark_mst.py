"""Time, memory, operations and parameters of MST's components, beside table IV of the paper.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_mst.py --frames 37

Random weights and frames. Times are those of one step of each component for one key frame, after
a warm-up with a small one; on a CPU processor time. The frame level for all frames is measured for
the cells of one frame, times their number. Memory is the largest that the step holds beyond its
input: on a GPU torch's own count, on a CPU the growth of the process, where Linux tells it.
Operations are multiplications with addition (the paper's "GFlops" are most likely these, too).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.layers import FrameAttention
from mmvod_plugins.structures import ObjectFeatures

CONFIG = 'configs/mst/mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
FLOW = dict(type='FlowNetSimple')
#: Parameters (M) and operations (G) of table IV.
PAPER = {'DAlign': (1.956, 0.64), 'FlowNetS': (38.680, 8.90)}


@dataclass
class Cost:
    """Cost of a step: seconds, MB beyond its input (None: not known), 10^9 operations."""

    seconds: float
    megabytes: float | None
    operations: float

    def __str__(self) -> str:
        memory = '?' if self.megabytes is None else f'{self.megabytes:.0f}'
        return f'{1000 * self.seconds:.0f} ms, {memory} MB, {self.operations:.2f} G operations'


def measure(step: Callable[[], object], device: str, times: int = 1,
            operations: float | None = None) -> Cost:
    """Cost of a step, times a number of equal ones after each other.

    Args:
        step: Runs once; once more to count its operations if they are not given.
        device: Where it runs.
        times: Number of equal steps.
        operations: Of one step, in 10^9. Give those of large attentions: the counter runs torch's
            plain form of it, which holds the matrix of all pairs.
    """
    cuda = device.startswith('cuda')
    clock = time.perf_counter if cuda else time.process_time
    before = _start_of_memory(cuda)
    start = clock()
    step()
    if cuda:
        torch.cuda.synchronize()
    seconds, after = clock() - start, _peak_of_memory(cuda)
    if operations is None:
        with FlopCounterMode(display=False) as counter:
            step()
        operations = counter.get_total_flops() / 2e9
    known = before is not None and after is not None
    return Cost(times * seconds, after - before if known else None,
                times * operations)


def _start_of_memory(cuda: bool) -> float | None:
    """Memory now in MB, from which the peak is counted; None where it is not known."""
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        return None
    return _status('VmRSS')


def _peak_of_memory(cuda: bool) -> float | None:
    return torch.cuda.max_memory_allocated() / 2**20 if cuda else _status('VmHWM')


def _status(name: str) -> float | None:
    path = Path('/proc/self/status')
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), None)


def objects_of(count: int, frame_id: int, width: int, args: argparse.Namespace) -> ObjectFeatures:
    """Random objects of a frame."""
    corner = torch.rand(count, 2, device=args.device) * torch.tensor(args.size, device=args.device)
    boxes = torch.cat([corner / 2, corner / 2 + 20], dim=1)
    return ObjectFeatures(
        boxes, torch.randn(count, width, device=args.device),
        torch.rand(count, device=args.device).sort(descending=True).values,
        torch.full((count, ), frame_id, device=args.device))


@torch.no_grad()
def components(model: VideoDetector, args: argparse.Namespace) -> dict[str, Cost]:
    """Costs of the components by name."""
    neck, device = model.temporal_neck, args.device
    image = torch.rand(1, 3, args.size[1], args.size[0], device=device)
    key = model.adapter.maps(image)[0]
    found = {'backbone, per frame': measure(lambda: model.adapter.maps(image), device)}
    found['DAlign, per key frame'] = measure(lambda: neck.dalign.project_key(key), device)
    found['DAlign, per reference'] = measure(lambda: neck.dalign.project(key), device)
    as_key, shares = neck.dalign.project_key(key), neck.dalign.project(key)
    found['DAlign, per pair'] = measure(lambda: neck.dalign(key, key, as_key, shares), device)
    flow = MODELS.build(FLOW).to(device).eval()
    half = flow.prepare(255 * image, image.shape[-2:])
    found['FlowNetS, per pair'] = measure(lambda: flow(half, half), device)
    for reduction in args.reductions:
        attention = FrameAttention(neck.channels, neck.attention.num_heads,
                                   reduction=reduction).to(device)
        one = attention.project(key)
        every = one.repeat(args.frames, 1, 1, 1)
        # queries, then two products of all pairs
        cells, channels = key[0, 0].numel(), neck.channels
        operations = cells * channels * (channels + 2 * every[:, 0].numel()) / 1e9
        name = f'frame level, keys reduced by {reduction}'
        found[f'{name}: keys and values, per pair'] = measure(
            lambda attention=attention: attention.project(key), device)
        for times, who in ((1, 'key frame'), (args.frames, 'all frames')):
            found[f'{name}: {who}'] = measure(
                lambda attention=attention, every=every: attention(key, every), device, times,
                operations)
    head = model.adapter.head
    rois = torch.cat([torch.zeros(75, 1, device=device), objects_of(75, 0, 1, args).boxes], 1)
    found['conv5, RoIAlign and embedding of 75 proposals, per pair'] = measure(
        lambda: head._embed((key, ), rois), device)
    for name, aggregator in head.aggregator.aggregators.items():
        width = head.embedding.fc.out_features
        key_objects = objects_of(300, 0, width, args)
        window = [objects_of(aggregator.needs.topk, t, width, args) for t in range(args.frames)]
        found[f'{name} level, {aggregator.needs.topk} objects of a frame'] = measure(
            lambda aggregator=aggregator, key_objects=key_objects, window=window: aggregator(
                key_objects, {'local': window}, None), device)
    return found


def parameters(module: nn.Module) -> float:
    """Parameters in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print one line for each component."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--config', default=CONFIG, help='a config with all parts of MST')
    parser.add_argument('--size', type=int, nargs=2, default=(1000, 600), help='width and height')
    parser.add_argument('--frames', type=int, default=37, help='frames of the window')
    parser.add_argument('--reductions', type=int, nargs='+', default=[1, 2, 4],
                        help='of the keys and values of the frame level')
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args(argv)
    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    config = Config.fromfile(args.config)
    model = MODELS.build(config.model).to(args.device).eval()
    for name, cost in (costs := components(model, args)).items():
        print(f'{name}: {cost}')
    modules = {'DAlign': model.temporal_neck.dalign, 'FlowNetS': MODELS.build(FLOW)}
    for name, module in modules.items():
        size, operations = PAPER[name]
        mine = sum(cost.operations for part, cost in costs.items() if part.startswith(f'{name}, '))
        print(f'{name}: {parameters(module):.3f} M parameters (table IV: {size}), '
              f'{mine:.2f} G operations (table IV: {operations})')
    print(f'whole model: {parameters(model):.3f} M parameters (table IV: 65.027)')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
