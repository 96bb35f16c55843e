"""Loading of published, plain mmdet and own checkpoints."""

from .adapt import adapt_state_dict
from .conversion import Conversion, take_renamed
from .formats import FORMATS, Format, convert, recognise
from .mega_pytorch import convert_mega_pytorch
from .methods import METADATA
from .mmtracking import convert_mmtracking

__all__ = [
    'FORMATS', 'METADATA', 'Conversion', 'Format', 'adapt_state_dict', 'convert',
    'convert_mega_pytorch', 'convert_mmtracking', 'recognise', 'take_renamed'
]
