"""Loading of published, plain mmdet and own checkpoints."""

from .adapt import adapt_state_dict
from .conversion import Conversion, take_renamed
from .formats import FORMATS, Format, convert, recognise
from .guard import guard_mmengine, guard_mmengine_by_default
from .mega_pytorch import convert_mega_pytorch
from .methods import METADATA
from .mmtracking import convert_mmtracking
from .reading import CheckpointError, check_file, read_checkpoint

__all__ = [
    'FORMATS', 'METADATA', 'CheckpointError', 'Conversion', 'Format', 'adapt_state_dict',
    'check_file', 'convert', 'convert_mega_pytorch', 'convert_mmtracking', 'guard_mmengine',
    'guard_mmengine_by_default', 'read_checkpoint', 'recognise', 'take_renamed'
]
