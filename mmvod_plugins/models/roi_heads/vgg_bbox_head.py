"""The box head of Fast R-CNN with VGG-16."""

from __future__ import annotations

from typing import Any

from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.registry import MODELS
from torch import nn

from mmvod_plugins.checkpoints import take_renamed

#: fc6 and fc7 in torchvision's files.
FC6_FC7 = {'classifier.0.': 'shared_fcs.0.', 'classifier.3.': 'shared_fcs.1.'}


@MODELS.register_module()
class VGGBBoxHead(Shared2FCBBoxHead):
    """fc6 and fc7 with ReLU and dropout, then classes and boxes (Fast R-CNN, section 2).

    A ``Pretrained`` entry of ``init_cfg`` takes fc6 and fc7 from a whole VGG-16; where the file
    has none they stay random, and mmengine's warning names them as missing.

    Args:
        in_channels: Channels of the pooled map.
        fc_out_channels: Width of both layers.
        dropout: Probability of dropping a unit in training.
        init_cfg: Initial weights in addition to mmdet's random ones.
        **kwargs: Of mmdet's ``Shared2FCBBoxHead``.
    """

    def __init__(self,
                 in_channels: int = 512,
                 fc_out_channels: int = 4096,
                 dropout: float = 0.5,
                 *,
                 init_cfg: dict | None = None,
                 **kwargs: Any) -> None:  # noqa: ANN401 handed on to Shared2FCBBoxHead
        super().__init__(fc_out_channels, in_channels=in_channels, **kwargs)
        self.relu = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(dropout))
        if init_cfg is not None:
            self.init_cfg.append(init_cfg)
        self._register_load_state_dict_pre_hook(self._from_vgg16)

    def _from_vgg16(self, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
        take_renamed(state_dict, prefix, FC6_FC7)
