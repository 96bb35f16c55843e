"""On a GPU: every shipped small method detects as on the CPU, and trains in mixed precision."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmvod_plugins.apis import detect_frames, init_video_detector

pytestmark = [pytest.mark.gpu,
              pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')]
TOY = sorted((Path(__file__).resolve().parents[2] / 'configs' / 'toy').glob('*_toyvid.py'))


def frames(count):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize('path', TOY, ids=lambda path: path.stem)
def test_a_video_has_the_detections_of_the_cpu(path):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    model = init_video_detector(Config.fromfile(path), device='cpu')
    expected = list(detect_frames(model, frames(6), 6))
    found = list(detect_frames(copy.deepcopy(model).to('cuda'), frames(6), 6))
    for cpu, gpu in zip(expected, found, strict=True):
        theirs, ours = (part.pred_instances.scores.sort(descending=True)[0][:20].cpu()
                        for part in (cpu, gpu))
        # scores at the end of the list may be swapped with ones that are cut off
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('path', TOY, ids=lambda path: path.stem)
def test_a_video_in_half_precision(path):
    model = init_video_detector(Config.fromfile(path), device='cuda')
    with torch.autocast('cuda', torch.bfloat16):
        for sample in detect_frames(model, frames(6), 6):
            assert torch.isfinite(sample.pred_instances.scores).all()
