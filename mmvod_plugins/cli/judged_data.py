"""The ground truth and the images of a config's test data, for tools that judge predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmvod_plugins.datasets.coco_vid_file import CocoVIDFile
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.evaluation.coco_json import read_predictions
from mmvod_plugins.evaluation.functional import Detections, GroundTruth, to_detections


@dataclass(frozen=True)
class JudgedData:
    """Predictions with the truth that they belong to.

    Attributes:
        truth: Ground truth of the predicted videos.
        detections: Detections in its frames.
        files: Image file of every image id.
    """

    truth: GroundTruth
    detections: Detections
    files: dict[object, Path]


def judged_data(config: Config, predictions: str | Path) -> JudgedData:
    """Read the test data that a config names, and predictions of it.

    Args:
        config: With ``test_dataloader.dataset.ann_file``.
        predictions: As in :func:`read_predictions`; ``.pkl`` files of mmdet hold a frame a video
            and are refused.

    Raises:
        ValueError: If the config's test data are not one COCO-VID file, or do not belong to the
            predictions.
    """
    if Path(predictions).suffix in ('.pkl', '.pickle'):
        raise ValueError(f"{predictions}: a pickle file of mmdet's test.py keeps only as many "
                         'frames as there are videos: use tools/test.py --out NAME.npz')
    dataset: dict[str, Any] = config.test_dataloader.dataset
    if not isinstance(dataset.get('ann_file'), str):
        raise ValueError('test_dataloader.dataset.ann_file of the config must be one file, it is '
                         f'{dataset.get("ann_file")!r}')
    root = Path(dataset.get('data_root') or '')
    source = CocoVIDFile(str(root / dataset['ann_file']))
    found: Predictions = read_predictions(predictions, source)
    truth = GroundTruth.from_coco_vid(source.path, found.classes,
                                      [video.video_id for video in found.videos])
    prefix = root / (dataset.get('data_prefix') or {}).get('img_path', '')
    return JudgedData(truth, to_detections(found.videos, truth),
                      {image['id']: prefix / image['file_name'] for image in source.images})
