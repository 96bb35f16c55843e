"""Seeded random weights of YOLOX, YOLOV and YOLOV++: those of ``seeded_weights`` at other scales.

With the gains there a network of convolution, batch norm and SiLU loses its signal, and every point
of a map would be a candidate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .seeded_weights import make_array

#: (pattern, factor on the array): the first match decides, 1 otherwise.
FACTORS: tuple[tuple[str, float], ...] = (
    (r'stem\.conv\.conv\.weight$', 0.03),
    (r'\.m\.\d+\.conv2\.conv\.weight$', 1.0),
    (r'\.conv\.weight$', 1.2),
    (r'head\.obj_preds\.\d\.weight$', 2.0),
    (r'head\.cls_preds\.\d\.weight$', 2.4),
    (r'head\.reg_preds\.\d\.weight$', 0.35),
    (r'(linear_pred|cls_pred|obj_pred)\.weight$', 1.0),
)
#: (pattern, number added to a bias): the first match decides, 0 otherwise.
SHIFTS: tuple[tuple[str, float], ...] = (
    (r'\.bn\.bias$', 0.6),
    (r'head\.obj_preds\.\d\.bias$', -9.5),
    (r'head\.cls_preds\.\d\.bias$', -11.0),
    (r'head\.reg_preds\.\d\.bias$', 0.8),
    (r'(linear_pred|cls_pred)\.bias$', -8.0),
    (r'obj_pred\.bias$', -3.0),
)
#: Added to the values of an attention: without a common part no two rows would be alike enough.
VALUE_OFFSETS: tuple[tuple[str, float], ...] = (
    (r'qkv_cls\.weight$', 0.011), (r'qkv_reg\.weight$', 0.06))
#: Counters and index buffers, which are not generated.
SKIPPED = re.compile(r'(num_batches_tracked|relative_position_index)$')


def first(table: tuple[tuple[str, float], ...], name: str, default: float) -> float:
    """The number of the first pattern that matches a name."""
    return next((number for pattern, number in table if re.search(pattern, name)), default)


def make_yolov_array(name: str, shape: Sequence[int], seed: int,
                     frozen_bn: bool = False) -> np.ndarray:
    """One float32 array; ``frozen_bn`` marks a batch norm's weight or bias."""
    leaf = name.rsplit('.', 1)[-1]
    if len(shape) == 1 and leaf not in ('bias', 'running_mean', 'running_var'):
        # scales of layer norms are those of a batch norm
        scale = name if leaf == 'weight' else f'{name}.weight'
        return make_array(scale, shape, seed, frozen_bn=True)
    array = make_array(name, shape, seed, frozen_bn) * np.float32(first(FACTORS, name, 1.0))
    if leaf == 'bias':
        return array + np.float32(first(SHIFTS, name, 0.0))
    if offset := first(VALUE_OFFSETS, name, 0.0):
        array[2 * len(array) // 3:] += np.float32(offset)
    return array


def make_weights(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, np.ndarray]:
    """All generated arrays of a state dict."""
    return {
        name: make_yolov_array(name, shape, seed,
                               name.rsplit('.', 1)[0] + '.running_mean' in shapes)
        for name, shape in shapes.items() if not SKIPPED.search(name)
    }
