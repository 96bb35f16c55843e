"""Video files: frames in order or any of them, with several decoders; names of frames in them."""

from .backends import BACKENDS, backend_name
from .frame_names import FRAME_NAME, read_frame, split_frame_name
from .frame_reader import FrameReader

__all__ = ['BACKENDS', 'FRAME_NAME', 'FrameReader', 'backend_name', 'read_frame',
           'split_frame_name']
