"""Adapters of published checkpoints."""

from .adapt import adapt_state_dict
from .conversion import Conversion
from .mega_pytorch import convert_mega_pytorch
from .mmtracking import convert_mmtracking

__all__ = ['Conversion', 'adapt_state_dict', 'convert_mega_pytorch', 'convert_mmtracking']
