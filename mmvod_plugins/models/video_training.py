"""How a video detector is trained: losses of the key frames of clips."""

from __future__ import annotations

import torch
from mmdet.structures import DetDataSample, TrackDataSample
from torch import Tensor

from mmvod_plugins.structures import FrameRecord
from mmvod_plugins.utils.autocast import without_graph

from . import checks, detector_steps
from .clip import Clip, ClipBatch, gather_clips
from .necks import in_time
from .video_encoding import VideoEncoding, maps_of, objects_of, rows_of


class VideoTraining(VideoEncoding):
    """The training step; it keeps nothing of a clip."""

    def loss(self, inputs: Tensor, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Losses of the key frames of clips, or of all their frames where the policy says so.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B clips of T frames with roles and ground truth.

        Raises:
            FloatingPointError: If a loss is not finite, with the files of the clips.
        """
        batch = gather_clips(inputs, data_samples, self._detached_roles())
        for clip in batch.clips:
            drawn_by = batch.samples[clip.key].metainfo.get('references')
            checks.check_clip(self.references, clip, drawn_by)
        records = self._training_records(batch)
        keys = [records[clip.key] for clip in batch.clips]
        roles = [{role: [records[row] for row in rows] for role, rows in clip.roles.items()}
                 for clip in batch.clips]
        frames, maps = self._enhance_clips(keys, roles)
        samples = [frame.sample for frame in frames]
        feats = tuple(torch.cat(level) for level in zip(*maps, strict=True))
        roi_inputs = {}
        if self.roi_head is not None:
            roi_inputs['references'] = [{
                role: objects_of(frames)
                for role, frames in references.items()
            } for references in roles]
            if self.roi_head.needs_maps:
                roi_inputs['reference_maps'] = [maps_of(references) for references in roles]
        losses = detector_steps.loss(self.detector, feats, samples, roi_inputs)
        checks.check_finite(losses, samples)
        return losses

    def _enhance_clips(
            self, keys: list[FrameRecord], roles: list[dict[str, list[FrameRecord]]]
    ) -> tuple[list[FrameRecord], list[tuple[Tensor, ...]]]:
        """The frames that have a loss, and their maps; one frame of a clip, or each of them."""
        if self.temporal_neck is None:
            return keys, [key.feats for key in keys]
        clips = [(key, self.temporal_neck.known(references))
                 for key, references in zip(keys, roles, strict=True)]
        if not self.references.trains_references:
            return keys, [self.temporal_neck(key, references, None).feats
                          for key, references in clips]
        windows = [in_time(key, references) for key, references in clips]
        enhanced = self.temporal_neck.enhance_all(windows)
        return ([record for window in windows for record in window],
                [maps for window in enhanced for maps in window])

    def _training_records(self, batch: ClipBatch) -> list[FrameRecord]:
        """Records of every row of a batch, the last ones without gradient."""
        wanted = {row for clip in batch.clips for rows in clip.roles.values() for row in rows}
        mapped = wanted | {clip.key for clip in batch.clips if self._needs_key_maps(clip)}
        records = self._records(batch.frames[:batch.num_grad], batch.samples[:batch.num_grad],
                                wanted, mapped)
        if batch.num_grad < len(batch.samples):
            with without_graph():
                records += self._records(batch.frames[batch.num_grad:],
                                         batch.samples[batch.num_grad:],
                                         *({row - batch.num_grad for row in rows}
                                           for rows in (wanted, mapped)))
        return records

    def _needs_key_maps(self, clip: Clip) -> bool:
        """Whether the backbone has to see the key frame of a clip."""
        neck = self.temporal_neck
        return neck is None or neck.needs_key_maps or not any(neck.known(clip.roles).values())

    def _records(self, frames: Tensor, samples: list[DetDataSample],
                 references: set[int], mapped: set[int]) -> list[FrameRecord]:
        """Records of frames: maps of some, objects of those that serve as references."""
        records = [
            FrameRecord(sample.metainfo.get('frame_id', 0), sample) for sample in samples
        ]
        rows, computed = (sorted(row for row in part if 0 <= row < len(samples))
                          for part in (references, mapped))
        if computed:
            feats = self.detector.extract_feat(frames[computed])
            for i, row in enumerate(computed):
                records[row].feats = rows_of(feats, [i])
        self._encode_extras(frames, records)
        if self.roi_head is not None and rows:
            feats = rows_of(feats, [computed.index(row) for row in rows])
            objects = self._objects(feats, [samples[row] for row in rows],
                                    self.roi_head.reference_topk)
            for row, part in zip(rows, objects, strict=True):
                records[row].objects = part
        return records

    def _detached_roles(self) -> frozenset[str]:
        """Roles that no temporal part wants a gradient for."""
        parts = self._parts()
        roles = frozenset().union(*(part.roles for part in parts))
        with_grad = frozenset().union(*(part.roles - part.detached_roles for part in parts))
        return roles - with_grad
