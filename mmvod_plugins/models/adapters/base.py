"""Base class of the adapters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.models.selection import OutputOptions
from mmvod_plugins.models.temporal_part import Needs, TemporalHead
from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures, References
from mmvod_plugins.utils.constants import constant

NO_RELATIONS = (
    'model.detections.relations needs a temporal head whose aggregator relates objects by location '
    '(MEGA, RDN), got {name}: omit it; box linking then works without relations')


class DetectorAdapter(ABC):
    """The steps of one family of mmdet's detectors; it holds no weights of its own.

    mmdet's detectors start from images and end with detections. A video detector computes maps
    once per frame, may enhance them, and pools boxes before their suppression, so it needs the
    steps in between.

    Some of mmdet's heads give nothing but finished detections (``finished_heads``): they have no
    boxes before suppression, or no thresholds that a caller could choose. :meth:`select` runs
    them whole, as the stock detector does.

    Args:
        detector: The detector.
    """

    finished_heads: tuple[type[nn.Module], ...] = ()

    def __init__(self, detector: BaseDetector) -> None:
        self.detector = detector

    @property
    def last_head(self) -> nn.Module:
        """The head that gives the detections."""
        return self.detector.bbox_head

    @property
    def head(self) -> TemporalHead | None:
        """The last head if it is temporal."""
        return self.last_head if isinstance(self.last_head, TemporalHead) else None

    @property
    def finished(self) -> bool:
        """Whether the last head gives nothing but finished detections."""
        return self.head is None and isinstance(self.last_head, self.finished_heads)

    @property
    def test_cfg(self) -> ConfigDict | None:
        """Thresholds and suppression of the last head."""
        return self.last_head.test_cfg

    @property
    @abstractmethod
    def num_classes(self) -> int | None:
        """Classes that the last head distinguishes; None if it tells objects from background."""

    def maps(self, images: Tensor) -> Maps:
        """Feature maps (N, C, H, W) of images (N, 3, H, W).

        Raises:
            ValueError: If the detector fails at images whose sides are no multiple of 32.
        """
        try:
            return self.detector.extract_feat(images)
        except RuntimeError as error:
            height, width = images.shape[-2:]
            if height % 32 == 0 and width % 32 == 0:
                raise
            raise ValueError(
                f'{type(self.detector).__name__} fails at frames of {height} x {width} pixels '
                f'({error}). Necks that enlarge maps need sides that are multiples of 32: set '
                'pad_size_divisor=32 in data_preprocessor') from error

    @abstractmethod
    def objects(self, maps: Maps, records: Sequence[FrameRecord],
                topk: int | None = None) -> list[ObjectFeatures]:
        """Objects of every frame, the best first, for a temporal head.

        Args:
            maps: Maps of the N frames, (N, C, H, W) each.
            records: The frames.
            topk: Most objects of a frame; None for all.
        """

    @abstractmethod
    def raw(self, maps: Maps, records: Sequence[FrameRecord],
            options: OutputOptions) -> list[InstanceData]:
        """Boxes of every frame before suppression, in pixels of the network input.

        They come from the stock head; a temporal head gives its own (:class:`HeadStep`).

        Args:
            maps: Maps of the N frames, (N, C, H, W) each.
            records: The frames.
            options: What is asked for.
        """

    @abstractmethod
    def select(self, raw: InstanceData, record: FrameRecord, options: OutputOptions,
               *, rescale: bool) -> InstanceData:
        """Detections of one frame: threshold, suppression, limit; ``raw`` stays as it is.

        Args:
            raw: Boxes of one or several passes over the frame, pooled.
            record: The frame, with the maps that the boxes come from.
            options: What is asked for.
            rescale: Whether boxes are returned in pixels of the original image.
        """

    @abstractmethod
    def loss(self, maps: Maps, samples: list[DetDataSample],
             references: list[References] | None) -> dict[str, Tensor]:
        """Losses of frames.

        Args:
            maps: Maps of the N frames, (N, C, H, W) each.
            samples: Their ground truth.
            references: Of every frame, for a temporal head; None for a stock head.
        """

    def raw_follows(self, options: OutputOptions) -> bool:
        """Whether :meth:`raw` gives other boxes with these options than without any."""
        return False

    def reusable(self, record: FrameRecord, needs: Needs) -> dict[str, Any]:
        """Results for a frame that no enhancement of its maps changes, entries of ``extras``.

        Args:
            record: The frame, with its maps.
            needs: Of the temporal neck, with the levels that it changes.
        """
        return {}

    def pool(self, raws: list[InstanceData]) -> InstanceData:
        """Raw boxes of one or several passes over one frame, together.

        Raises:
            ValueError: If there are several, and nothing suppresses their copies.
        """
        return InstanceData.cat([raw for raw in raws if len(raw)] or raws[:1])

    def poolable(self, raw: InstanceData, options: OutputOptions) -> InstanceData:
        """The raw boxes that can become detections: they wait until all windows are detected.

        Raises:
            ValueError: If the head has no boxes before suppression.
        """
        if self.finished:
            raise ValueError(
                'the reference policy pools boxes before their suppression, but '
                f'{type(self.last_head).__name__} has no boxes before it: use CentredWindow, which '
                'detects a frame in one window')
        return raw

    def check(self, options: OutputOptions) -> None:
        """Refuse options that the detector does not have.

        Raises:
            ValueError: With the option and the part that would be needed.
        """
        if self.finished and not options.default:
            raise ValueError(f'model.detections is not possible with '
                             f'{type(self.last_head).__name__}, which gives nothing but finished '
                             'detections: omit it')
        if options.relations and self.head is None:
            raise ValueError(NO_RELATIONS.format(name=type(self.last_head).__name__))

    def suppresses(self, options: OutputOptions) -> bool:
        """Whether non-maximum suppression removes boxes."""
        nms = (self.test_cfg or {}).get('nms')
        return options.nms and nms is not None and nms.get('iou_threshold', 0) < 1


    def loss_arguments(self, references: list[References] | None) -> dict[str, Any]:
        """The references of every frame, as an argument of a temporal head's ``loss``."""
        return {} if self.head is None else {'reference_frames': references}


def rescaled(boxes: Tensor, record: FrameRecord) -> Tensor:
    """Boxes (P, 4 K) of the network input in pixels of the original image, as mmdet has them."""
    factors = [1 / s for s in record.sample.metainfo['scale_factor']]
    return (boxes.view(-1, 4) * constant(factors * 2, boxes)).view(boxes.shape)
