"""mmdet's preprocessor of clips with augmentations of whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.registry import MODELS
from torch import nn


@MODELS.register_module()
class VideoDataPreprocessor(TrackDataPreprocessor):
    """``TrackDataPreprocessor`` whose batch augmentations treat all frames of a batch alike.

    mmdet's own accepts them (``BatchSyncRandomResize`` of YOLOX) for clips of one frame only.

    Args:
        batch_augments: Configs of augmentations that take images (N, C, H, W) and N samples.
        **kwargs: As mmdet's.
    """

    def __init__(self, *, batch_augments: Sequence[dict[str, Any]] = (),
                 **kwargs: Any) -> None:  # noqa: ANN401 - mmdet's
        super().__init__(**kwargs)
        self.clip_augments = nn.ModuleList(map(MODELS.build, batch_augments))

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
