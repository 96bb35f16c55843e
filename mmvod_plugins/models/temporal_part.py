"""The contract of temporal parts: necks on feature maps, heads on objects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmvod_plugins.structures import FrameRecord, Maps, ObjectFeatures

#: A record of a frame, or its objects.
Frame = TypeVar('Frame')


@dataclass(frozen=True)
class Needs:
    """Needs of a temporal part; the model computes and holds no more than they name.

    Attributes:
        roles: Roles of the references that it looks at.
        detached_roles: Those of them whose frames get no gradient.
        of_key: What it reads of the key frame: ``'maps'`` and ``'objects'`` of its record,
            ``'image'``, which :meth:`TemporalPart.encode` gets, and ``'detections'``, which
            :meth:`TemporalPart.write` gets.
        of_references: What it reads of references: ``'maps'``, ``'objects'``, ``'image'``.
        topk: Objects held of a reference frame, the best ones; None for all.
        levels: Levels of the maps that a neck changes, as indices; None for all of them.
    """

    roles: frozenset[str] = frozenset({'local'})
    detached_roles: frozenset[str] = frozenset()
    of_key: frozenset[str] = frozenset({'maps'})
    of_references: frozenset[str] = frozenset({'maps'})
    topk: int | None = None
    levels: tuple[int, ...] | None = None

    def select_roles(self, references: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
        """The references in the roles that are looked at, without empty roles."""
        return {role: frames for role, frames in references.items()
                if frames and role in self.roles}

    def alone(self, key: Frame) -> dict[str, list[Frame]]:
        """The references of a key frame that has no others: itself; none of a memory alone."""
        if not self.roles:
            return {}
        return {'local' if 'local' in self.roles else min(self.roles): [key]}


@dataclass
class NeckStep:
    """The result of a temporal neck for one frame.

    Attributes:
        maps: Enhanced maps, as many and as large as the frame's own, (1, C, H, W) each.
        to_memory: What :meth:`TemporalPart.write` will remember of this step.
        references: Computes the maps of the references, by role, as the enhancement of the key
            frame made them; None where they stay as they are. It is called where somebody reads
            them.
    """

    maps: Maps
    to_memory: object = None
    references: Callable[[], dict[str, list[Maps]]] | None = None


@dataclass
class HeadStep:
    """The result of a temporal head for one frame.

    Attributes:
        raw: Boxes before suppression, in pixels of the network input, as the detector's family
            has them (:meth:`~mmvod_plugins.models.adapters.DetectorAdapter.raw`).
        to_memory: What :meth:`TemporalPart.write` will remember of this step.
        details: Functions of a frame number, by name. ``'relations'``: weights (P, R) of the
            objects to the R objects of that frame.
    """

    raw: InstanceData
    to_memory: object = None
    details: dict[str, Callable[[int], Tensor]] = field(default_factory=dict)


class TemporalPart:
    """A part of a video detector that looks at more frames than one.

    The same step, ``enhance``, serves training and streams. What is remembered of a video is an
    object that :meth:`init_memory` makes and the caller holds; a part reads it in ``enhance`` and
    changes it in :meth:`write` alone.

    Attributes:
        method: Name of the method, which checkpoints carry; None for a part without a name.
        needs: What the part looks at.
    """

    method: str | None = None
    needs: Needs = Needs()

    @property
    def method_name(self) -> str:
        """The method, or the name of the class."""
        return self.method or type(self).__name__

    def init_memory(self) -> object:
        """The memory of a new video; None for parts that remember nothing."""
        return None

    def encode(self, record: FrameRecord, image: Tensor | None) -> dict[str, Any]:
        """Products of a frame beside maps and objects, computed once per frame.

        Args:
            record: The frame, with its maps where its plan has them.
            image: (1, 3, H, W), the network input as RGB pixels in 0..255; None if no part
                needs ``'image'``.

        Returns:
            Entries of the record's ``extras``; tensors of their own, no views of ``image``.
        """
        return {}

    def write(self, memory: object, step: NeckStep | HeadStep,
              found: InstanceData | None) -> None:
        """Remember the key frame after its detection; while testing alone.

        Args:
            memory: What :meth:`init_memory` gave; the only thing that changes.
            step: The key frame's step of this part.
            found: The detections of the key frame: ``bboxes`` (N, 4) in pixels of the network
                input, ``scores``, ``labels``, after the suppression that ``test_cfg`` names,
                whatever a user asked to be returned. None if :attr:`Needs.of_key` does not name
                ``'detections'``.
        """

    def check(self, model: nn.Module) -> None:
        """Validate the part against the video detector that it was built into.

        Raises:
            ValueError: With the setting that does not fit, and the remedy.
        """


class TemporalHead(TemporalPart):
    """A head of a detector whose objects look at the objects of other frames.

    A mixin that stands before one of mmdet's RoI or query heads, or a head around a dense one. Its
    ``loss`` takes the further argument ``reference_frames``: for every frame that has a loss, its
    references by role, in the role ``window`` all frames of its window, itself included (query
    heads have an argument ``references`` of their own: reference points).
    """

    needs = Needs(of_key=frozenset({'objects'}), of_references=frozenset({'objects'}))

    def extract(self, maps: Maps, proposals: Any,  # noqa: ANN401 - what the family proposes
                records: list[FrameRecord]) -> list[ObjectFeatures]:
        """Objects of N frames, (n, 4) boxes and (n, ..., C) features each, the best first.

        Args:
            maps: Maps of the frames, (N, C, H, W) each.
            proposals: RoI heads: ``bboxes`` and ``scores`` of every frame. Query heads: the
                decoder's output. Dense heads propose themselves: None.
            records: The frames.
        """
        raise NotImplementedError

    def enhance(self, key: FrameRecord, references: dict[str, list[FrameRecord]],
                memory: object) -> HeadStep:
        """Detect in the key frame, with the objects that its record holds.

        Args:
            key: Record of the key frame, with what :attr:`needs` names.
            references: Records by role, at least one.
            memory: What :meth:`init_memory` gave, or None without a stream.
        """
        raise NotImplementedError

    def enhance_windows(self, windows: Sequence[Sequence[FrameRecord]]) -> list[list[HeadStep]]:
        """Detect in every frame of windows, for references in the role ``window``.

        Args:
            windows: Records in temporal order, each frame once.

        Returns:
            A step for every frame of every window.
        """
        raise NotImplementedError

    def take_stock_names(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Rename the weights of the stock head in a checkpoint, in place, where names differ.

        Args:
            state_dict: Weights of a detector.
            prefix: Of the head.
        """


@cache
def warn_without_references(part: str) -> None:
    """Log, once per kind of part and process, that it gets nothing but the key frame."""
    print_log(f'{part} gets no reference frames: each frame is its own reference. In a '
              'VideoDetector, `references` says which frames a key frame looks at.',
              logger='current', level=logging.WARNING)
