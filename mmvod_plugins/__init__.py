"""Video object detection as a plugin of mmdet 3.x.

Importing the package checks the installation and registers every component in mmdet's registries.
"""

import sys
from contextlib import redirect_stdout
from importlib import import_module

from mmvod_plugins.utils.versions import check_installation
from mmvod_plugins.version import __version__

__all__ = ['SUBPACKAGES', '__version__']

#: The subpackages that register components, in the order in which they are imported.
SUBPACKAGES: tuple[str, ...] = (
    'references', 'datasets', 'models', 'postprocessing', 'evaluation', 'hooks', 'engine')

check_installation()
# mmdet prints notices while it is imported; what our commands print is for other programs to read.
with redirect_stdout(sys.stderr):
    for _name in SUBPACKAGES:
        import_module(f'{__name__}.{_name}')
