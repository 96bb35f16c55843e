"""Detections of videos as files of other programs: tables, JSON, and formats of annotation tools.

Nothing here needs a model or a GPU.
"""

from .files import FORMATS, check_results, read_results, write_results

__all__ = ['FORMATS', 'check_results', 'read_results', 'write_results']
