"""Seeded random weights for a named set of tensors, as the recorded programs used them.

An array depends on its name, its shape and an integer seed alone, so programs that agree on
names and shapes hold identical weights without a file changing hands. The scales keep the
activations of a randomly weighted R-50 detector sane and its outputs spread. Changing a line
here makes every recorded run incomparable.
"""
from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

#: (pattern, gain): the first match decides; std = gain / sqrt(fan_in).
GAINS: tuple[tuple[str, float], ...] = (
    (r'stem\.conv1\.weight$', 0.03),
    (r'\.conv3\.weight$', 1.2),
    (r'rpn\.head\.cls_logits\.weight$', 4.0),
    (r'rpn\.head\.bbox_pred\.weight$', 0.6),
    (r'predictor\.cls_score\.weight$', 6.0),
    (r'predictor\.bbox_pred\.weight$', 3.0),
    (r'W[qk]s\.0\.weight$', 10.0),
    (r'W[qk]s\.\d\.weight$', 12.0),
    (r'Wvs\.\d\.weight$', 0.8),
    (r'Wgs\.\d\.weight$', 0.7),
    (r'flow_conv1\.weight$', 10.0),
    (r'Convolution5_scale\.weight$', 0.3),
    (r'(Convolution\d|upsample_flow\dto\d)\.weight$', 0.8),
)
DEFAULT_GAIN = 2.0**0.5
#: Buffers with a fixed, meaningful content; they are never generated.
CONSTANT = re.compile(r'cell_anchors\.\d+$')
#: Transposed convolutions (kernel 4, stride 2) store (in, out, kh, kw).
TRANSPOSED = re.compile(r'(deconv\d|upsample_flow\dto\d)\.weight$')
#: Position weights of the attention: a positive bias and smaller weights for
#: the fast waves, else log(relu(.) + 1e-6) magnifies the last bits of a box.
POSITION = re.compile(r'Wgs\.\d\.')
POSITION_BIAS, POSITION_TAPER = 0.8, 0.75


def make_array(name: str, shape: Sequence[int], seed: int, frozen_bn: bool = False) -> np.ndarray:
    """One float32 array; ``frozen_bn`` marks a batch-norm weight or bias."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    leaf = name.rsplit('.', 1)[-1]
    if leaf == 'running_var' or (frozen_bn and leaf == 'weight'):
        low, high = (0.5, 1.5) if leaf == 'running_var' else (0.5, 1.0)
        return rng.uniform(low, high, shape).astype(np.float32)
    values = rng.standard_normal(shape, dtype=np.float32)
    if leaf in ('running_mean', 'bias'):
        shift = POSITION_BIAS if POSITION.search(name) else 0.0
        return values * np.float32(0.1) + np.float32(shift)
    if re.search(r'us\.\d$', name):
        return values
    fan_axes = tuple(range(1, len(shape)))
    fan_in = float(np.prod(shape[1:]))
    if TRANSPOSED.search(name):
        fan_axes, fan_in = (0, 2, 3), shape[0] * shape[2] * shape[3] / 4.0
    # Zero-mean filters: the common positive part of ReLU features cancels, so
    # the outputs vary over positions and boxes and not only over channels.
    values -= values.mean(axis=fan_axes, keepdims=True, dtype=np.float64).astype(np.float32)
    if POSITION.search(name):
        speed = 7 - np.arange(shape[1]) % 8  # input channels: 4 terms x (8 sines, 8 cosines)
        values *= (POSITION_TAPER**speed).astype(np.float32)[:, None, None]
    gain = next((g for pattern, g in GAINS if re.search(pattern, name)), DEFAULT_GAIN)
    return values * np.float32(gain / fan_in**0.5)


def make_weights(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, np.ndarray]:
    """All generated arrays of ``shapes``; constant buffers are omitted."""
    return {
        name: make_array(name, shape, seed, f"{name.rpartition('.')[0]}.running_mean" in shapes)
        for name, shape in shapes.items() if not CONSTANT.search(name)
    }
