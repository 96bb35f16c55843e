"""One policy for training, another one for testing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS

from .base import FrameInputs, ReferencePolicy, Roles, build_references


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
    def detects_references(self) -> bool:
        """What testing does."""
        return self.testing.detects_references

    @property
    def trains_references(self) -> bool:
        """What training does."""
        return self.training.trains_references

    def sample(self, key_id: int, video_length: int, rng: np.random.Generator) -> Roles:
        """The draws for training."""
        return self.training.sample(key_id, video_length, rng)

    def references(self, key_id: int, video_length: int, video_id: Hashable = 0) -> Roles:
        """The references of testing."""
        return self.testing.references(key_id, video_length, video_id)

    def still_needed(self, frame_id: int, next_key: int, video_id: Hashable = 0) -> bool:
        """Whether testing still needs a frame."""
        return self.testing.still_needed(frame_id, next_key, video_id)

    def inputs(self, frame_id: int, video_length: int | None,
               video_id: Hashable = 0) -> FrameInputs:
        """What testing asks for."""
        return self.testing.inputs(frame_id, video_length, video_id)
