"""Which key frame (training) or frame of a stream (testing) comes next."""

from .key_frame import InfiniteVideoKeyFrameSampler, VideoKeyFrameSampler
from .video_stream import VideoStreamSampler

__all__ = ['InfiniteVideoKeyFrameSampler', 'VideoKeyFrameSampler', 'VideoStreamSampler']
