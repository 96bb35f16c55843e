"""Reference policies: which frames a key frame looks at."""

from .base import KEY_ROLE, FrameInputs, KeyFrameOnly, ReferencePolicy, build_references
from .causal import CausalWindow, GlobalReservoir
from .composition import ComposedReferences
from .global_shuffle import GlobalShuffle
from .interleaved_windows import CentredWindow, InterleavedWindows
from .key_frame_interval import KeyFrameInterval
from .local_window import LocalWindow
from .preceding_window import PrecedingWindow
from .train_test import TrainTestReferences
from .uniform_stride import UniformStride

__all__ = [
    'KEY_ROLE',
    'CausalWindow',
    'CentredWindow',
    'ComposedReferences',
    'FrameInputs',
    'GlobalReservoir',
    'GlobalShuffle',
    'InterleavedWindows',
    'KeyFrameInterval',
    'KeyFrameOnly',
    'LocalWindow',
    'PrecedingWindow',
    'ReferencePolicy',
    'TrainTestReferences',
    'UniformStride',
    'build_references'
]
