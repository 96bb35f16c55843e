"""Adapters of published checkpoints."""

from .adapt import adapt_state_dict
from .conversion import Conversion
from .formats import FORMATS, Format, convert, recognise
from .mega_pytorch import convert_mega_pytorch
from .mmtracking import convert_mmtracking
from .rename import take_renamed

__all__ = [
    'FORMATS', 'Conversion', 'Format', 'adapt_state_dict', 'convert', 'convert_mega_pytorch',
    'convert_mmtracking', 'recognise', 'take_renamed'
]
