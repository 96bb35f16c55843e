"""Data set UAVDT: vehicles seen from an unmanned aerial vehicle."""

from __future__ import annotations

from typing import ClassVar

from mmdet.registry import DATASETS

from .coco_vid import CocoVIDDataset


@DATASETS.register_module()
class UAVDTDataset(CocoVIDDataset):
    """UAVDT (ICCV 2018) from the json files of ``uavdt2coco_vid.py``.

    Ignore regions are crowds: training and evaluation pass over what lies in them. For one class
    give ``metainfo=dict(classes=('vehicle', ))`` and the json files with that class.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('car', 'truck', 'bus'),
        palette=[(0, 0, 142), (0, 0, 70), (0, 60, 100)])
