"""Training clips: the roles of the frames of a batch, and what is computed of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from torch import Tensor

from mmvod_plugins.references import KEY_ROLE, WINDOW_ROLE
from mmvod_plugins.structures import FramePlan, FrameRecord, References


@dataclass
class Clip:
    """One key frame and its references, as rows of the frames to compute.

    Attributes:
        key: Row of the key frame.
        roles: Rows of the references by role.
    """

    key: int
    roles: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class ClipBatch:
    """The frames of several clips, each computed once.

    Attributes:
        frames: (N, C, H, W), frames without gradient last.
        samples: Metainfo and ground truth of every row.
        num_grad: How many of the rows get a gradient.
        clips: Roles of the rows.
    """

    frames: Tensor
    samples: list[DetDataSample]
    num_grad: int
    clips: list[Clip]

    def plans(self, needs_key_maps: Callable[[Clip], bool],
              enhanced_roles: frozenset[str] = frozenset()) -> list[FramePlan]:
        """Plans of all rows: maps of references and of keys that need them, objects of references.

        Frames of windows have a loss of their own, which extracts their objects itself.

        Args:
            needs_key_maps: Whether the backbone has to see the key frame of a clip.
            enhanced_roles: Roles of references whose objects come from maps yet to be enhanced.
        """
        roles = [item for clip in self.clips for item in clip.roles.items()]
        references = {row for _, rows in roles for row in rows}
        without = enhanced_roles | {WINDOW_ROLE}
        with_objects = {row for role, rows in roles if role not in without for row in rows}
        mapped = references | {clip.key for clip in self.clips if needs_key_maps(clip)}
        return [FramePlan(maps=row in mapped, objects=row in with_objects)
                for row in range(len(self.samples))]

    def keys(self, records: list[FrameRecord]) -> list[tuple[FrameRecord, References]]:
        """The key frame of every clip with its references by role, from records of all rows."""
        return [(records[clip.key],
                 {role: [records[row] for row in rows] for role, rows in clip.roles.items()})
                for clip in self.clips]


def gather_clips(inputs: Tensor, data_samples: list[TrackDataSample],
                 detached_roles: frozenset[str]) -> ClipBatch:
    """Sort the frames of a batch by role; a frame that plays several roles is one row.

    Args:
        inputs: (B, T, C, H, W).
        data_samples: Clips of T frames, whose metainfo has ``role`` and ``frame_id``.
        detached_roles: Roles whose frames need no gradient.

    Raises:
        KeyError: If a frame has no role.
        ValueError: If a clip does not have exactly one key frame.
    """
    # Rows in order of appearance: where each lies in the batch, and whether any of its roles
    # wants a gradient.
    places: list[tuple[int, int]] = []
    grad: list[bool] = []
    drafts: list[list[tuple[str, int]]] = []
    for b, clip in enumerate(data_samples):
        rows: list[tuple[str, int]] = []
        for t in range(len(clip)):
            role = _role(clip[t])
            row = _find(inputs, data_samples, places, (b, t))
            if row is None:
                row = len(places)
                places.append((b, t))
                grad.append(False)
            grad[row] = grad[row] or role not in detached_roles
            rows.append((role, row))
        drafts.append(rows)
    # Frames without gradient go last, so that they pass the network in a batch of their own.
    order = sorted(range(len(places)), key=lambda row: not grad[row])
    new_row = {old: new for new, old in enumerate(order)}
    ordered = [places[row] for row in order]
    return ClipBatch(
        frames=torch.stack([inputs[place] for place in ordered]),
        samples=[data_samples[b][t] for b, t in ordered],
        num_grad=sum(grad),
        clips=[_clip([(role, new_row[row]) for role, row in rows]) for rows in drafts])


def _role(sample: DetDataSample) -> str:
    if 'role' not in sample.metainfo:
        raise KeyError("metainfo has no 'role': use SampleReferenceFrames as the first transform "
                       'of the training pipeline and PackVideoInputs as the last')
    return sample.metainfo['role']


def _find(inputs: Tensor, data_samples: list[TrackDataSample], places: list[tuple[int, int]],
          place: tuple[int, int]) -> int | None:
    """The row that already holds the same frame of the same clip."""
    clip, t = place
    frame_id = data_samples[clip][t].metainfo.get('frame_id')
    for row, (other, s) in enumerate(places):
        same = other == clip and data_samples[clip][s].metainfo.get('frame_id') == frame_id
        if same and torch.equal(inputs[clip, s], inputs[clip, t]):
            return row
    return None


def _clip(rows: list[tuple[str, int]]) -> Clip:
    keys = [row for role, row in rows if role == KEY_ROLE]
    if len(keys) != 1:
        raise ValueError(f'a clip needs exactly one key frame, got roles '
                         f'{[role for role, _ in rows]}')
    clip = Clip(keys[0])
    for role, row in rows:
        if role != KEY_ROLE:
            clip.roles.setdefault(role, []).append(row)
    return clip
