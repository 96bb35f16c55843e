"""Closing of unfinished videos around validation and testing."""

from __future__ import annotations

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmvod_plugins.models import VideoDetector


@HOOKS.register_module()
class CloseStreamsHook(Hook):
    """Give up unfinished videos before and after validation and testing, with a warning for each.

    A loop that ended early leaves frames without detections, which metrics would not notice.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Give up what an interrupted loop left."""
        close_streams(runner)

    def before_test_epoch(self, runner: Runner) -> None:
        """Give up what an interrupted loop left."""
        close_streams(runner)

    def after_val_epoch(self, runner: Runner,
                        metrics: dict[str, Any] | None = None) -> None:
        """Warn of videos whose frames did not all come."""
        close_streams(runner)

    def after_test_epoch(self, runner: Runner,
                         metrics: dict[str, Any] | None = None) -> None:
        """Warn of videos whose frames did not all come."""
        close_streams(runner)


def close_streams(runner: Runner) -> None:
    """End the open streams of the runner's model, if it is a video detector."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if isinstance(model, VideoDetector):
        model.streams.clear()
