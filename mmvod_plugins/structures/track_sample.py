"""Samples of several frames as mmdet's loops take them."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.structures import DetDataSample, TrackDataSample


def track_sample(frames: Sequence[DetDataSample]) -> TrackDataSample:
    """A ``TrackDataSample`` of frames.

    The setter of mmdet formats the first frame with all its tensors, whether it fails or not: that
    takes longer than a small network, and on a GPU copies them to the host.
    """
    sample = TrackDataSample()
    sample.set_field(list(frames), '_video_data_samples', dtype=list)
    sample._data_fields.add('video_data_samples')  # as by the setter: metrics ask for this name
    return sample
