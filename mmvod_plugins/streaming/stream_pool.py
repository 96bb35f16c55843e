"""The open streams of a detector."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any

from mmvod_plugins.references import ReferencePolicy

from .video_stream import VideoStream


class StreamPool:
    """Open streams by the id of their video, bounded in number.

    Args:
        policy: Policy of every stream.
        init_memory: Makes the memory of a new stream.
        shrink: See :class:`VideoStream`.
        max_open: Streams open at once; beyond it the oldest is given up with a warning.
    """

    def __init__(self,
                 policy: ReferencePolicy,
                 init_memory: Callable[[], Any] = lambda: None,
                 shrink: Callable[[Any], Any] | None = None,
                 max_open: int = 64) -> None:
        self.policy = policy
        self.init_memory = init_memory
        self.shrink = shrink
        self.max_open = max_open
        self._streams: dict[Hashable, VideoStream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def stream_for(self, video_id: Hashable, video_length: int, frame_id: int) -> VideoStream:
        """The stream that takes a frame; a frame that comes again starts its video anew."""
        stream = self._streams.get(video_id)
        if stream is not None and (stream.repeats(frame_id)
                                   or stream.video_length != video_length):
            self._give_up(video_id, 'the video started anew')
            stream = None
        if stream is None:
            if len(self._streams) >= self.max_open:
                self._give_up(next(iter(self._streams)), f'more than {self.max_open} are open')
            stream = VideoStream(self.policy, video_id, video_length, self.init_memory(),
                                 self.shrink)
            self._streams[video_id] = stream
        return stream

    def release(self, stream: VideoStream) -> None:
        """Forget a stream that is finished; others stay."""
        if stream.finished:
            self._streams.pop(stream.video_id, None)

    def clear(self) -> None:
        """Give up every open stream, with a warning for each."""
        for video_id in list(self._streams):
            self._give_up(video_id, 'testing ended')

    def _give_up(self, video_id: Hashable, why: str) -> None:
        stream = self._streams.pop(video_id)
        left = stream.video_length - stream.next_key
        warnings.warn(
            f'video {video_id} is given up ({why}): {left} of {stream.video_length} frames have no '
            f'detections; frame {stream.next_key} waits for frames {stream.missing()[:8]}. Feed '
            'every frame of a video, with VideoStreamSampler and the same references',
            stacklevel=3)
