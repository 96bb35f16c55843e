"""Deterministic weights for YOLOX, YOLOV and YOLOV++: ``weights.py`` with other scales (numpy only).

A network of convolution, batch norm and SiLU loses signal with the gains of ``weights.py``, and scores of
0.5 everywhere would make every point of the map a candidate.  So each array of ``weights.make_array`` is
multiplied by one number and, if it is a bias, shifted by another:

    arrays = make_weights(json.load(open("yolov/yolov_s.keys.json"))["shapes"], seed=3)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)

Names are those of the published code (``*.keys.json``), so a model with other names is filled through its own
mapping of names.  ``num_batches_tracked`` and index buffers are never generated: they alone may be missing.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .seeded_weights import make_array

#: (pattern, factor on the array of weights.py): the first match decides, 1 otherwise.
FACTORS: tuple[tuple[str, float], ...] = (
    (r"stem\.conv\.conv\.weight$", 0.03),
    (r"\.m\.\d+\.conv2\.conv\.weight$", 1.0),
    (r"\.conv\.weight$", 1.2),
    (r"head\.obj_preds\.\d\.weight$", 2.0),
    (r"head\.cls_preds\.\d\.weight$", 2.4),
    (r"head\.reg_preds\.\d\.weight$", 0.35),
    (r"(linear_pred|cls_pred|obj_pred)\.weight$", 1.0),
)
#: (pattern, number added to a bias): the first match decides, 0 otherwise.
SHIFTS: tuple[tuple[str, float], ...] = (
    (r"\.bn\.bias$", 0.6),
    (r"head\.obj_preds\.\d\.bias$", -9.5),
    (r"head\.cls_preds\.\d\.bias$", -11.0),
    (r"head\.reg_preds\.\d\.bias$", 0.8),
    (r"(linear_pred|cls_pred)\.bias$", -8.0),
    (r"obj_pred\.bias$", -3.0),
)
#: Added to the last third of the rows (the values) of an attention's ``qkv`` matrix: a common component, without
#: which no two rows would be as similar as the published thresholds of 0.75 and 0.99 ask.
VALUE_OFFSETS: tuple[tuple[str, float], ...] = ((r"qkv_cls\.weight$", 0.011), (r"qkv_reg\.weight$", 0.06))
#: Counters and index buffers.
SKIPPED = re.compile(r"(num_batches_tracked|relative_position_index)$")


def first(table: tuple[tuple[str, float], ...], name: str, default: float) -> float:
    """Return the number of the first pattern that matches ``name``."""
    return next((number for pattern, number in table if re.search(pattern, name)), default)


def make_yolov_array(name: str, shape: Sequence[int], seed: int, frozen_bn: bool = False) -> np.ndarray:
    """Build one float32 array; ``frozen_bn`` marks a batch-norm weight or bias."""
    leaf = name.rsplit(".", 1)[-1]
    if len(shape) == 1 and leaf not in ("bias", "running_mean", "running_var"):
        # Scales of layer norms and layer scales: as those of a batch norm, between 0.5 and 1.
        return make_array(name if leaf == "weight" else f"{name}.weight", shape, seed, frozen_bn=True)
    array = make_array(name, shape, seed, frozen_bn) * np.float32(first(FACTORS, name, 1.0))
    if leaf == "bias":
        return array + np.float32(first(SHIFTS, name, 0.0))
    if offset := first(VALUE_OFFSETS, name, 0.0):
        array[2 * len(array) // 3 :] += np.float32(offset)
    return array


def make_weights(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, np.ndarray]:
    """Build all generated tensors of ``shapes`` as a dictionary."""
    return {
        name: make_yolov_array(name, shape, seed, name.rsplit(".", 1)[0] + ".running_mean" in shapes)
        for name, shape in shapes.items()
        if not SKIPPED.search(name)
    }
