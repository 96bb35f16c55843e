"""``python -m mmvod_plugins``: the command ``mmvod``."""

import sys

from mmvod_plugins.cli import main

if __name__ == '__main__':
    sys.exit(main())
