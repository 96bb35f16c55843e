"""Adapters of published checkpoints."""

from .adapt import adapt_state_dict
from .conversion import Conversion
from .mega_pytorch import convert_mega_pytorch

__all__ = ['Conversion', 'adapt_state_dict', 'convert_mega_pytorch']
