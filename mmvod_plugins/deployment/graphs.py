"""The two graphs of a video detector: what runs once per frame, and what runs once per key frame.

They call the detector's own modules; only the operators that mmcv compiles are replaced
(:mod:`~mmvod_plugins.deployment.operators`). All sizes are fixed: tables of objects are padded,
``valid`` says which of their rows are objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from mmvod_plugins.models import VideoDetector
from mmvod_plugins.structures import FramePlace, FramePlan, FrameRecord, ObjectFeatures

#: Tensors of a table of objects, in the order of the graphs' inputs.
PARTS = ('boxes', 'feats', 'valid')


@dataclass(frozen=True)
class Sizes:
    """Fixed sizes of an exported model.

    Attributes:
        network_shape: (height, width) of the network input, with its padding.
        img_shape: (height, width) of the image in it.
        proposals: Objects of a frame, K.
        channels: Width C of their embeddings.
        objects: Objects R of a reference frame.
        frames: Reference frames by role.
        memory_frames: Key frames that are remembered.
        memory_objects: Objects that are remembered of one, by level; () without a memory.
    """

    network_shape: tuple[int, int]
    img_shape: tuple[int, int]
    proposals: int
    channels: int
    objects: int
    frames: dict[str, int]
    memory_frames: int = 0
    memory_objects: tuple[int, ...] = ()


class FrameGraph(nn.Module):
    """From an image to the embedded proposals of its frame.

    Args:
        model: The detector.
        sizes: Sizes of its input.
    """

    inputs = ('image', )
    outputs = ('boxes', 'scores', 'feats', 'valid')

    def __init__(self, model: VideoDetector, sizes: Sizes) -> None:
        super().__init__()
        self.detector = model.detector
        self.sizes = sizes

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right sizes."""
        return (torch.zeros(1, 3, *self.sizes.network_shape), )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Objects of a frame.

        Args:
            image: (1, 3, H, W), the network input.

        Returns:
            ``boxes`` (K, 4), ``scores`` (K,), ``feats`` (K, C), ``valid`` (K,).
        """
        record = _record(self.sizes)
        maps = self.detector.extract_feat(image)
        [found] = self.detector.rpn_head.predict(maps, [record.sample], rescale=False)
        [objects] = self.detector.roi_head.extract(maps, [found], [record])
        return objects.boxes, objects.scores, objects.feats, found.valid


class TemporalGraph(nn.Module):
    """From the objects of a key frame, of its references and of the memory to raw boxes.

    Args:
        model: The detector.
        sizes: Sizes of the tables.
    """

    def __init__(self, model: VideoDetector, sizes: Sizes) -> None:
        super().__init__()
        self.head = model.detector.roi_head
        self.sizes = sizes

    @property
    def tables(self) -> dict[str, tuple[int, ...]]:
        """Rows of the input tables by name, (N,) or (frames, N)."""
        size = self.sizes
        return {'key': (size.proposals, ),
                **{role: (frames, size.objects) for role, frames in size.frames.items()},
                **{f'memory{level}': (size.memory_frames, count)
                   for level, count in enumerate(size.memory_objects)}}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(f'{table}_{part}' for table in self.tables for part in PARTS)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        levels = range(len(self.sizes.memory_objects))
        return ('boxes', 'scores',
                *(f'new_memory{level}_{part}' for level in levels for part in PARTS))

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right sizes."""
        return tuple(part for rows in self.tables.values() for part in (
            torch.zeros(*rows, 4), torch.zeros(*rows, self.sizes.channels),
            torch.ones(rows, dtype=torch.bool)))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Detect in a key frame.

        Args:
            *tensors: :attr:`inputs`: boxes, embeddings and ``valid`` of every table.

        Returns:
            ``boxes`` (K, 4) or (K, 4 classes) in pixels of the network input, ``scores``
            (K, classes + 1), and the rows that the memory takes.
        """
        tables = {name: _frames(*tensors[3 * i:3 * i + 3])
                  for i, name in enumerate(self.tables)}
        [key] = tables.pop('key')
        levels = [tables.pop(f'memory{level}')
                  for level in range(len(self.sizes.memory_objects))]
        references = {role: [_record(self.sizes, objects) for objects in frames]
                      for role, frames in tables.items()}
        step = self.head.enhance(_record(self.sizes, key), references,
                                 PaddedMemory(levels) if levels else None)
        # copies: levels share boxes, and a value of a graph has one name
        new = [getattr(level, part).clone() for level in step.to_memory.to_memory.levels
               for part in PARTS] if levels else []
        return step.raw.bboxes, step.raw.scores, *new


class PaddedMemory:
    """Reads as a long range memory of a fixed size, some of whose frames may be padding.

    Args:
        levels: Objects by level and frame.
    """

    kept = None

    def __init__(self, levels: Sequence[Sequence[ObjectFeatures]]) -> None:
        self._levels = levels

    def __len__(self) -> int:
        return len(self._levels[0])

    def read(self, level: int) -> list[ObjectFeatures]:
        """Objects of every frame at a level."""
        return list(self._levels[level])


def _frames(boxes: Tensor, feats: Tensor, valid: Tensor) -> list[ObjectFeatures]:
    """Tables (N, ...) of one frame or (F, N, ...) of several, as objects by frame."""
    parts = ([part] if valid.ndim == 1 else part.unbind() for part in (boxes, feats, valid))
    return [ObjectFeatures(box, feat, None, torch.zeros_like(mask, dtype=torch.long), valid=mask)
            for box, feat, mask in zip(*parts, strict=True)]


def _record(sizes: Sizes, objects: ObjectFeatures | None = None) -> FrameRecord:
    sample = DetDataSample(metainfo=dict(img_shape=sizes.img_shape, scale_factor=(1.0, 1.0)))
    return FrameRecord(FramePlace(0, 0, 1), FramePlan(), sample, objects=objects)
