"""One policy for training, another one for testing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import ReferencePolicy, Roles, build_references


@TASK_UTILS.register_module()
class TrainTestReferences(ReferencePolicy):
    """Draws training references by one policy and names those of testing by another (SELSA).

    Args:
        training: Policy, or its config, that draws training references.
        testing: Policy, or its config, for everything else; its ``max_records`` holds.
    """

    def __init__(self, training: dict[str, Any] | ReferencePolicy,
                 testing: dict[str, Any] | ReferencePolicy) -> None:
        self.training = build_references(training)
        self.testing = build_references(testing)
        super().__init__(self.testing.max_records)

    @property
    def lookahead(self) -> int | None:
        """That of testing."""
        return self.testing.lookahead

    @property
    def draws(self) -> dict[str, int]:
        """The training references of one policy, and 0 for the roles of the other."""
        return {**dict.fromkeys(self.testing.draws, 0), **self.training.draws}

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """The draws for training."""
        return self.training.sample(key_id, video_length, rng)

    def frames(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The references of testing."""
        return self.testing.frames(key_id, video_length, video_id)

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Whether testing still needs a frame."""
        return self.testing.still_needed(frame_id, next_key, video_id)

    def plan(self, place: FramePlace) -> FramePlan:
        """The plan of testing."""
        return self.testing.plan(place)
