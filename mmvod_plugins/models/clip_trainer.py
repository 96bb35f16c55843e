"""The training step: losses of the key frames of clips, or of all frames of their windows."""

from __future__ import annotations

from dataclasses import replace

from mmdet.structures import TrackDataSample
from torch import Tensor

from mmvod_plugins.references import WINDOW_ROLE, ReferencePolicy
from mmvod_plugins.structures import FrameRecord, References, in_temporal_order
from mmvod_plugins.utils.precision import no_grad_and_uncached

from . import checks
from .clip import Clip, ClipBatch, gather_clips
from .enhanced_references import with_enhanced_references
from .frame_encoder import FrameEncoder, stacked_maps


class ClipTrainer:
    """Computes the losses of training clips; it holds no weights and nothing of a clip.

    Args:
        encoder: Makes the records, with the detector's adapter and the temporal neck.
        policy: The reference policy that drew the clips.
    """

    def __init__(self, encoder: FrameEncoder, policy: ReferencePolicy) -> None:
        self.encoder = encoder
        self.adapter = encoder.adapter
        self.neck = encoder.neck
        self.policy = policy

    def loss(self, inputs: Tensor, data_samples: list[TrackDataSample]) -> dict[str, Tensor]:
        """Losses of the key frames of clips; with windows, of all their frames.

        Args:
            inputs: (B, T, C, H, W).
            data_samples: B clips of T frames with roles and ground truth.

        Raises:
            FloatingPointError: If a loss is not finite, with the files of the clips.
            ValueError: If a clip has other references than the policy draws.
        """
        batch = gather_clips(inputs, data_samples, self._detached_roles())
        for clip in batch.clips:
            checks.check_clip(self.policy, clip)
        clips = batch.keys(self.encode(batch))
        frames, references = self.enhance(clips)
        samples = [record.sample for record in frames]
        losses = self.adapter.loss(stacked_maps(frames), samples, references)
        checks.check_finite(losses, samples)
        return losses

    def encode(self, batch: ClipBatch) -> list[FrameRecord]:
        """Records of every row of a batch, the last ones without gradient."""
        plans, end = batch.plans(self._needs_key_maps, self._enhanced_roles()), batch.num_grad
        records = self.encoder.encode(batch.frames[:end], batch.samples[:end], plans[:end],
                                      training=True)
        if end < len(batch.samples):
            with no_grad_and_uncached():
                records += self.encoder.encode(batch.frames[end:], batch.samples[end:],
                                               plans[end:], training=True)
        return records

    def enhance(
        self, clips: list[tuple[FrameRecord, References]]
    ) -> tuple[list[FrameRecord], list[References]]:
        """The frames that have a loss, with enhanced maps, and the references of their heads."""
        neck, head = self.neck, self.adapter.head
        windows = [[key] for key, _ in clips]
        if WINDOW_ROLE in self.policy.draws:
            for _, references in clips:
                checks.check_window_roles(self.policy, neck, references)
            windows = [in_temporal_order(key, {WINDOW_ROLE: references.get(WINDOW_ROLE, [])})
                       for key, references in clips]
        frames = [record for window in windows for record in window]
        if neck is not None:
            if WINDOW_ROLE in self.policy.draws:
                steps = [step for window in neck.enhance_windows(windows) for step in window]
            else:
                steps = [
                    neck.enhance(key, neck.needs.select_roles(references) or neck.needs.alone(key),
                                 None) for key, references in clips
                ]
            frames = [replace(record, maps=step.maps)
                      for record, step in zip(frames, steps, strict=True)]
            if neck.enhances_references:
                clips = [(key, with_enhanced_references(self.adapter, key, references, step))
                         for (key, references), step in zip(clips, steps, strict=True)]
        drawn = []
        for (_, references), window in zip(clips, windows, strict=True):
            known = {} if head is None else head.needs.select_roles(references)
            if WINDOW_ROLE in known:
                known[WINDOW_ROLE] = window
            drawn += [known] * len(window)
        return frames, drawn

    def _needs_key_maps(self, clip: Clip) -> bool:
        """Whether the backbone has to see the key frame of a training clip."""
        neck = self.neck
        return neck is None or 'maps' in neck.needs.of_key or not any(
            clip.roles.get(role) for role in neck.needs.roles)

    def _enhanced_roles(self) -> frozenset[str]:
        """Roles of references whose objects come from maps that the neck enhances."""
        neck = self.neck
        return neck.needs.roles if neck is not None and neck.enhances_references else frozenset()

    def _detached_roles(self) -> frozenset[str]:
        """Roles that no temporal part wants a gradient for."""
        needs = [part.needs for part in self.encoder.parts]
        roles = frozenset().union(*(part.roles for part in needs))
        with_grad = frozenset().union(*(part.roles - part.detached_roles for part in needs))
        return roles - with_grad
