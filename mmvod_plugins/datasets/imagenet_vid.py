"""Data set ImageNet VID, and ImageNet DET with the classes of VID."""

from __future__ import annotations

from typing import ClassVar

from mmdet.registry import DATASETS

from .coco_vid import CocoVIDDataset


@DATASETS.register_module()
class ImageNetVIDDataset(CocoVIDDataset):
    """ImageNet VID (ILSVRC2015) from MMTracking's json files, including the DET part.

    The DET file has no videos: each image is a video of one frame with ``is_video_data`` False,
    and its 31st category (all other classes) is dropped.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('airplane', 'antelope', 'bear', 'bicycle', 'bird', 'bus', 'car', 'cattle', 'dog',
                 'domestic_cat', 'elephant', 'fox', 'giant_panda', 'hamster', 'horse', 'lion',
                 'lizard', 'monkey', 'motorcycle', 'rabbit', 'red_panda', 'sheep', 'snake',
                 'squirrel', 'tiger', 'train', 'turtle', 'watercraft', 'whale', 'zebra'),
        palette=[(106, 0, 228), (119, 11, 32), (165, 42, 42), (0, 0, 192), (197, 226, 255),
                 (0, 60, 100), (0, 0, 142), (255, 77, 255), (153, 69, 1), (120, 166, 157),
                 (0, 182, 199), (0, 226, 252), (182, 182, 255), (0, 0, 230), (220, 20, 60),
                 (163, 255, 0), (0, 82, 0), (3, 95, 161), (0, 80, 100), (183, 130, 88),
                 (250, 170, 30), (220, 220, 0), (175, 116, 175), (199, 100, 0), (255, 179, 240),
                 (0, 125, 92), (209, 0, 151), (188, 208, 182), (146, 139, 141), (205, 173, 90)])
