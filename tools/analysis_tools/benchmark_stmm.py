"""Time STMN's memories beside their detector, and MatchTrans beside FlowNetS.

    OMP_NUM_THREADS=1 python tools/analysis_tools/benchmark_stmm.py

Random weights and frames, of the paper's size (337 x 600); one window of 11 frames, as in section
4.4 of the paper: 0.52 s for R-FCN and 0.83 s with the memories, so 37% of the time is theirs;
section 3.3: MatchTrans 2.9 ms, FlowNet 24.3 ms (Titan X). The medians of some repetitions are
printed; on a CPU by processor time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.layers import MatchTrans
from mmvod_plugins.structures import FramePlan, FrameRecord, Maps, place_of

CONFIG = 'configs/stmn/stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
FLOW = dict(type='FlowNetSimple', downsample='average', output='stride_16', decoder_bias=True)


def seconds(step: Callable[[], object], repetitions: int, device: str) -> float:
    """Median time of a step, after one warm-up."""
    clock = time.perf_counter if device.startswith('cuda') else time.process_time
    times = []
    for _ in range(repetitions + 1):
        start = clock()
        step()
        if device.startswith('cuda'):
            torch.cuda.synchronize()
        times.append(clock() - start)
    return statistics.median(times[1:])


def record_of(frame_id: int, maps: Maps, shape: tuple[int, int]) -> FrameRecord:
    """Record of a frame of (height, width)."""
    sample = DetDataSample(metainfo=dict(
        frame_id=frame_id, img_shape=shape, ori_shape=shape, pad_shape=shape,
        batch_input_shape=shape, scale_factor=(1.0, 1.0)))
    return FrameRecord(place_of(sample), FramePlan(), sample, maps)


@torch.no_grad()
def measure(model: VideoDetector, args: argparse.Namespace) -> dict[str, float]:
    """Seconds per frame of encoding, memories and detection, and per pair of the alignments."""
    shape = (args.size[1], args.size[0])
    image = torch.rand(1, 3, *shape, device=args.device)
    window = [record_of(t, model.adapter.maps(image), shape) for t in range(args.frames)]
    [[enhanced, *_]] = model.temporal_neck.enhance_windows([window])
    feat, memory = window[0].maps[-1], enhanced.maps[-1]
    memory = memory[:, :memory.shape[1] // 2]
    changed = replace(window[0], maps=enhanced.maps)

    def detect() -> object:
        [raw] = model.adapter.raw(changed.maps, [changed], model.output)
        return model.adapter.select(raw, changed, model.output, rescale=True)

    flow = MODELS.build(FLOW).to(args.device).eval()
    half = flow.prepare(255 * image, shape)
    steps = {
        'encoding': lambda: model.adapter.maps(image),
        'detection': detect,
        'memories': lambda: model.temporal_neck.enhance_windows([window]),
        'MatchTrans': lambda: MatchTrans()(feat, feat, memory),
        'FlowNetS': lambda: flow(half, half),
    }
    times = {name: seconds(step, args.repetitions, args.device) for name, step in steps.items()}
    times['memories'] /= args.frames
    return times


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print one line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--config', default=CONFIG, help='a config with an STMMNeck')
    parser.add_argument('--size', type=int, nargs=2, default=(600, 337), help='width and height')
    parser.add_argument('--frames', type=int, default=11, help='frames of a window')
    parser.add_argument('--repetitions', type=int, default=5)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args(argv)
    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(args.config).model).to(args.device).eval()
    times = measure(model, args)
    for name, value in times.items():
        unit = 'pair' if name in ('MatchTrans', 'FlowNetS') else 'frame'
        print(f'{name}: {1000 * value:.1f} ms per {unit}')
    static = times['encoding'] + times['detection']
    share = times['memories'] / (static + times['memories'])
    print(f'memories: {100 * share:.0f}% of a frame; MatchTrans: 1/'
          f'{times["FlowNetS"] / times["MatchTrans"]:.1f} of FlowNetS')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
