"""Validation of a video detector's settings and of what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample

from mmvod_plugins.references import WINDOW_ROLE, ReferencePolicy
from mmvod_plugins.structures import FrameRecord, References

from .clip import Clip
from .temporal_part import TemporalPart


def check_roles(policy: ReferencePolicy, parts: Sequence[TemporalPart]) -> None:
    """Refuse references that no temporal part of the model looks at.

    Raises:
        ValueError: With the roles of the policy and those that the parts know, or with the part
            that does not know windows beside one that does.
    """
    known = frozenset().union(*(part.needs.roles for part in parts))
    if policy.draws.keys() - known:
        raise ValueError(
            f'references name the roles {sorted(policy.draws)}, but the model knows '
            f'{sorted(known)}: give the policy the right `role`, or the model a temporal neck or '
            'RoI head')
    strangers = [part for part in parts if WINDOW_ROLE not in part.needs.roles]
    if WINDOW_ROLE in policy.draws and strangers:
        raise ValueError(
            f'{policy!r} has detections or losses in every frame of a window, and '
            f'{type(strangers[0]).__name__} in the key frame alone: use parts that know the role '
            f"'{WINDOW_ROLE}' (STMMNeck with one of mmdet's heads), or another policy "
            '(LocalWindow)')


def check_objects(neck: TemporalPart | None, head: TemporalPart | None) -> None:
    """Refuse a neck that reads objects in a detector whose head makes none.

    Raises:
        ValueError: With the neck.
    """
    reads = frozenset() if neck is None else neck.needs.of_key | neck.needs.of_references
    if head is None and 'objects' in reads:
        raise ValueError(f'{type(neck).__name__} reads objects, which a stock head does not make: '
                         'use a detector with a temporal head')


def check_window_order(policy: ReferencePolicy, key: FrameRecord, references: References) -> None:
    """Refuse windows of testing with frames before the key frame.

    Raises:
        ValueError: With the policy and the frames.
    """
    before = [record.frame_id for record in references[WINDOW_ROLE]
              if record.frame_id < key.frame_id]
    if before:
        raise ValueError(f'{policy!r} names the frames {before} in the window of key frame '
                         f'{key.frame_id}, which were detected before: only later frames may be in '
                         f"the role '{WINDOW_ROLE}' (InterleavedWindows)")


def check_window_roles(policy: ReferencePolicy, neck: TemporalPart | None,
                       references: References) -> None:
    """Refuse windows beside other references of the neck, which it would not look at.

    Raises:
        ValueError: With the policy and the roles.
    """
    others = {role for role, records in references.items()
              if records and role != WINDOW_ROLE} & (neck.needs.roles if neck else set())
    if others:
        raise ValueError(f"{policy!r} names the roles {sorted(others)} beside '{WINDOW_ROLE}', but "
                         f'{type(neck).__name__} enhances a window by its own frames alone: give '
                         'them another role, or omit one of the policies')


def check_scale(policy: ReferencePolicy, part: TemporalPart, key: FrameRecord,
                references: References) -> None:
    """Refuse to compare maps of frames that the network saw at different scales.

    Raises:
        ValueError: With the policy, the part and both scales.
    """
    scales = {record.plan.scale for records in references.values() for record in records}
    if 'maps' in part.needs.of_references and scales - {key.plan.scale}:
        raise ValueError(f'{policy!r} plans frame {key.frame_id} at the scale {key.plan.scale} and '
                         f'its references at {sorted(scales)}, but {type(part).__name__} compares '
                         'their maps: plan them at one scale')


def check_clip(policy: ReferencePolicy, clip: Clip) -> None:
    """Refuse training clips with other roles than the policy draws.

    Raises:
        ValueError: With the expected and the found roles.
    """
    expected = {role for role, count in policy.draws.items() if count}
    if expected != clip.roles.keys():
        raise ValueError(
            f'the model expects references in the roles {sorted(expected)} but the clip has '
            f"{sorted(clip.roles)}: name the policy in model.references alone and train with "
            "runner_type='VideoRunner', or give SampleReferenceFrames.references the same value")


def check_shape(shapes: dict[float, tuple[int, int]], record: FrameRecord) -> None:
    """Refuse a frame of another size than the first of its video (at the same scale).

    Args:
        shapes: (height, width) of the first frame by scale, which is added to.
        record: The frame.

    Raises:
        ValueError: With the file and both sizes.
    """
    meta, place = record.sample.metainfo, record.place
    shape = tuple(meta['img_shape'][:2])
    first = shapes.setdefault(record.plan.scale, shape)
    if first != shape:
        raise ValueError(
            f'video {place.video_id}: frame {place.frame_id} ({meta.get("img_path")}) is {shape} '
            f'(height, width) in the network, earlier frames are {first}; frames of a video need '
            'one size: resize them, or split the video where the size changes')


def check_key(record: FrameRecord, policy: ReferencePolicy, reader: str,
              needs: frozenset[str]) -> None:
    """Refuse a key frame without what its detection reads.

    Raises:
        ValueError: With the policy, the frame and what is missing.
    """
    missing = [name for name in ('maps', 'objects')
               if name in needs and getattr(record, name) is None]
    if missing:
        raise ValueError(f'{policy!r} asks for no {missing[0]} of frame {record.frame_id}, but '
                         f'{reader} reads them of every key frame: use DFFNeck, or another policy '
                         '(LocalWindow)')


def check_finite(losses: dict[str, Any], samples: list[DetDataSample]) -> None:
    """Stop at losses that are not finite; with autocast the gradient scaler handles them.

    Raises:
        FloatingPointError: With the names of the losses and the files of the key frames.
    """
    if torch.is_autocast_enabled():
        return
    bad = [
        name for name, value in losses.items()
        if not all(torch.isfinite(part).all()
                   for part in (value if isinstance(value, list | tuple) else [value]))
    ]
    if bad:
        files = [sample.metainfo.get('img_path') for sample in samples]
        raise FloatingPointError(
            f'{bad} not finite for the key frames {files}. Check the boxes of these frames with '
            'tools/dataset_converters/check_coco_vid.py, or lower the learning rate; training '
            'continues from the last checkpoint with --resume')
