"""The command ``mmvod``, also ``python -m mmvod_plugins``."""

from .main import main

__all__ = ['main']
