"""A window of past frames, for online detection and live input."""

from __future__ import annotations

from mmdet.registry import TASK_UTILS

from .local_window import LocalWindow


@TASK_UTILS.register_module()
class CausalWindow(LocalWindow):
    """The last ``num_frames`` frames, the key frame included (online MEGA: ``[t - 24, t]``).

    Args:
        num_frames: Frames in the window.
        num_samples: Training references, distinct offsets of the window.
        sample_key: Whether the key frame comes before those drawn.
        role: Name under which the model receives the frames.
    """

    def __init__(self,
                 num_frames: int = 25,
                 *,
                 num_samples: int = 2,
                 sample_key: bool = False,
                 role: str = 'local') -> None:
        super().__init__((num_frames - 1, 0),
                         num_samples=num_samples, sample_key=sample_key, role=role)
