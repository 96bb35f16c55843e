"""mmdet's preprocessor of clips, faster and with augmentations of whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import TrackDataSample
from torch import nn

from mmvod_plugins.structures import track_sample


@MODELS.register_module()
class VideoDataPreprocessor(TrackDataPreprocessor):
    """``TrackDataPreprocessor`` whose batch augmentations treat all frames of a batch alike.

    mmdet's own accepts them (``BatchSyncRandomResize`` of YOLOX) for clips of one frame only. Clips
    are moved to the device without being formatted as text, see
    :func:`~mmvod_plugins.structures.track_sample`.

    Args:
        batch_augments: Configs of augmentations that take images (N, C, H, W) and N samples.
        **kwargs: As mmdet's.
    """

    def __init__(self, *, batch_augments: Sequence[dict[str, Any]] | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        self.clip_augments = nn.ModuleList(map(MODELS.build, batch_augments or ()))

    def cast_data(self, data: Any) -> Any:  # noqa: ANN401 - mmengine's
        """Copy data to the model's device, as mmengine does."""
        # a clip with further fields than its frames, which ours never have, takes mmdet's way
        if isinstance(data, TrackDataSample) and data.keys() == ['video_data_samples']:
            moved = track_sample([frame.to(self.device, non_blocking=self._non_blocking)
                                  for frame in data.video_data_samples])
            moved.set_metainfo(data.metainfo)
            return moved
        return super().cast_data(data)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise and pad a batch of clips; augment it in training.

        Args:
            data: ``inputs``, B clips of T frames, and ``data_samples``.
            training: Whether it is a batch of training.

        Returns:
            ``inputs`` (B, T, C, H, W), and the samples of the clips.
        """
        data = super().forward(data, training)
        for augment in self.clip_augments if training else ():
            inputs = data['inputs']
            frames = [sample for clip in data['data_samples'] for sample in clip]
            images, _ = augment(inputs.flatten(0, 1), frames)  # the samples change in place
            data['inputs'] = images.unflatten(0, inputs.shape[:2])
        return data
