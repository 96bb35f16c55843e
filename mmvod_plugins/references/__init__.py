"""Reference policies: which frames a key frame looks at."""

from mmvod_plugins.structures.frame_place import FramePlace, FramePlan

from .base import KEY_ROLE, WINDOW_ROLE, KeyFrameOnly, ReferencePolicy, build_references
from .causal_window import CausalWindow
from .centred_window import CentredWindow
from .composition import ComposedReferences
from .global_reservoir import GlobalReservoir
from .global_shuffle import GlobalShuffle
from .interleaved_windows import InterleavedWindows
from .key_frame_interval import KeyFrameInterval
from .local_window import LocalWindow
from .preceding_intervals import PrecedingIntervals
from .preceding_window import PrecedingWindow
from .scaled_key_frames import ScaledKeyFrames
from .shuffled_groups import ShuffledGroups
from .train_test import TrainTestReferences
from .uniform_stride import UniformStride

__all__ = [
    'KEY_ROLE',
    'WINDOW_ROLE',
    'CausalWindow',
    'CentredWindow',
    'ComposedReferences',
    'FramePlace',
    'FramePlan',
    'GlobalReservoir',
    'GlobalShuffle',
    'InterleavedWindows',
    'KeyFrameInterval',
    'KeyFrameOnly',
    'LocalWindow',
    'PrecedingIntervals',
    'PrecedingWindow',
    'ReferencePolicy',
    'ScaledKeyFrames',
    'ShuffledGroups',
    'TrainTestReferences',
    'UniformStride',
    'build_references'
]
