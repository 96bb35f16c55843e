"""What a video detector refuses, in words that name the remedy."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.models.detectors import BaseDetector, SingleStageDetector, TwoStageDetector
from mmdet.structures import DetDataSample
from torch import nn

from mmvod_plugins.references import ReferencePolicy
from mmvod_plugins.structures import FrameRecord

from .clip import Clip
from .detection_options import DetectionOptions
from .necks import STMMNeck, TemporalNeck
from .roi_heads import BaseTemporalRoIHead


def check_detector(detector: BaseDetector) -> None:
    """Refuse detectors whose steps from feature maps on are not known.

    Raises:
        TypeError: With the name of the detector.
    """
    if not isinstance(detector, SingleStageDetector | TwoStageDetector):
        raise TypeError(f'{type(detector).__name__} is neither a SingleStageDetector nor a '
                        'TwoStageDetector of mmdet; others (DETR and its kin) are not supported')


def check_roles(policy: ReferencePolicy, parts: Sequence[Any]) -> None:
    """Refuse references that no temporal part of the model would look at.

    Raises:
        ValueError: With the roles of the policy and those that the parts know.
    """
    known = frozenset().union(*(part.roles for part in parts))
    named = {*policy.sample(0, 1, np.random.default_rng(0)), *policy.references(0, 1)}
    if named - known:
        raise ValueError(
            f'references name the roles {sorted(named)}, but the model knows {sorted(known)}: '
            'give the policy the right `role`, or the model a temporal neck or RoI head')


def check_detections(options: DetectionOptions, detector: BaseDetector,
                     roi_head: BaseTemporalRoIHead | None) -> None:
    """Refuse details of detections that a detector does not have.

    Raises:
        ValueError: With the option and the part that would be needed.
    """
    if options.class_scores and not isinstance(detector, TwoStageDetector):
        raise ValueError(
            'detections.class_scores needs a detector with a RoI head. Leave it away: with '
            'nms=False the detections of a box in a dense detector have the scores of all classes')
    if not options.default and not isinstance(detector, TwoStageDetector):
        known = inspect.signature(detector.bbox_head.predict_by_feat).parameters
        if 'cfg' not in known:
            raise ValueError(f'detections are not possible with {type(detector.bbox_head).__name__}'
                             ': its predict_by_feat takes no cfg; leave them away')
    if options.relations and (roi_head is None or not roi_head.knows_locations):
        raise ValueError(
            'detections.relations needs a TemporalRoIHead whose aggregator relates objects by '
            f'location (MEGA, RDN), got {type(getattr(detector, "roi_head", detector)).__name__}: '
            'leave it away, box linking then goes on without relations')


def check_inputs(policy: ReferencePolicy, neck: TemporalNeck | None) -> None:
    """Refuse policies that name more frames than a neck looks at, or give it less of them.

    Raises:
        ValueError: With the policy, and the neck that looks at the maps of key frames or at few
            references.
    """
    length = 64
    named = neck.known(policy.references(length // 2, length)) if neck else {}
    count = sum(map(len, named.values()))
    if neck is not None and neck.max_references is not None and count > neck.max_references:
        raise ValueError(f'{policy!r} names {count} references, but {type(neck).__name__} looks at '
                         f'{neck.max_references}: use KeyFrameInterval')
    if all(policy.inputs(frame_id, length).feats for frame_id in range(length)):
        return
    if neck is None or neck.needs_key_maps:
        looks = 'there is no temporal neck' if neck is None else (
            f'{type(neck).__name__} looks at the maps of every key frame')
        raise ValueError(f'{policy!r} asks most frames for their image alone, but {looks}: use '
                         'DFFNeck, or another policy (LocalWindow)')


def check_neck(model: nn.Module, policy: ReferencePolicy, neck: TemporalNeck | None) -> None:
    """Refuse memories in the place of a convolution that is still there; warn of idle necks.

    Args:
        model: The video detector, whose modules are looked up by name.
        policy: Its references.
        neck: Its temporal neck.

    Raises:
        ValueError: With the name of the convolution.
    """
    if neck is None:
        return
    modules = {name for name, _ in model.named_modules()}
    for index in neck.indices if isinstance(neck, STMMNeck) and neck.replaces else ():
        name = neck.replaces.format(level=index)
        if name in modules:
            raise ValueError(
                f'temporal_neck.replaces is {neck.replaces!r}: expected a detector without it, '
                f'but found the module {name}, whose trained weights would be thrown away: set '
                'last_conv=False in detector.neck (as do the base configs of STMN), or leave '
                '`replaces` away, so that the memories are added to the map')
    length = 64
    drawn = neck.known(policy.sample(length // 2, length, np.random.default_rng(0)))
    named = neck.known(policy.references(length // 2, length))
    if any(map(len, drawn.values())) and not any(map(len, named.values())) \
            and neck.init_memory() is None:
        warnings.warn(
            f'{policy!r} draws references for training but names none for testing, and '
            f'{type(neck).__name__} carries no memory from frame to frame: every frame is detected '
            'alone. Give testing references (CentredWindow, LocalWindow), or the neck one '
            'direction (STMMNeck: bidirectional=False)', stacklevel=3)


def check_windows(policy: ReferencePolicy, detector: BaseDetector, neck: TemporalNeck | None,
                  roi_head: BaseTemporalRoIHead | None) -> None:
    """Refuse windows whose every frame is detected, or trained, where that is not possible.

    Raises:
        ValueError: With the policy and the part that does not go with it.
    """
    if not (policy.detects_references or policy.trains_references):
        return
    if neck is None or type(neck).enhance_all is TemporalNeck.enhance_all:
        raise ValueError(f'{policy!r} has detections or losses in every frame of a window, but '
                         f'the temporal neck ({type(neck).__name__}) enhances the key frame alone: '
                         'use a neck with memories (STMMNeck), or another policy (LocalWindow)')
    if roi_head is not None:
        raise ValueError(f'{policy!r} has detections or losses in every frame of a window, and '
                         f'{type(roi_head).__name__} in the key frame alone: use one of mmdet\'s '
                         'RoI heads, or another policy (LocalWindow)')
    if policy.detects_references and not isinstance(detector, TwoStageDetector):
        known = inspect.signature(detector.bbox_head.predict_by_feat).parameters
        if not {'cfg', 'with_nms'} <= known.keys():
            raise ValueError(f'{policy!r} pools boxes before their suppression, but '
                             f'{type(detector.bbox_head).__name__} has no boxes before it: use '
                             'CentredWindow, which detects a frame in one window')


def check_clip(policy: ReferencePolicy, clip: Clip, drawn_by: str | None = None) -> None:
    """Refuse training clips that another policy drew.

    Args:
        policy: The model's policy.
        clip: Roles of the frames.
        drawn_by: What the loader's policy says of itself, if the frames carry it.

    Raises:
        ValueError: With both policies, or the expected and the found number of frames by role.
    """
    if drawn_by is not None and drawn_by != repr(policy):
        raise ValueError(f'the model has the references {policy!r} but the clip was drawn by '
                         f'{drawn_by}: give model.references and '
                         'SampleReferenceFrames.references the same value')
    expected = policy.sample(0, 1, np.random.default_rng(0))
    counts = {role: len(ids) for role, ids in expected.items() if ids}
    got = {role: len(rows) for role, rows in clip.roles.items()}
    if counts != got:
        raise ValueError(
            f'the model expects references {counts} but the clip has {got}: give '
            'model.references and SampleReferenceFrames.references the same value')


def check_shape(first: tuple[int, int] | None, video_id: Hashable,
                record: FrameRecord) -> tuple[int, int]:
    """Refuse a frame of another size than the first of its video; return that size.

    Raises:
        ValueError: With the file and both sizes.
    """
    meta = record.sample.metainfo
    shape = tuple(meta['img_shape'][:2])
    if first not in (None, shape):
        raise ValueError(
            f'video {video_id}: frame {record.frame_id} ({meta.get("img_path")}) is {shape} '
            f'(height, width) in the network, earlier frames are {first}; frames of a video need '
            'one size: resize them, or split the video where the size changes')
    return shape


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
            'goes on from the last checkpoint with --resume')
