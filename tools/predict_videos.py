"""Detect in many videos with any number of processes; the same as ``mmvod predict-videos``."""

import sys

from mmvod_plugins.cli import main

if __name__ == '__main__':
    sys.exit(main(['predict-videos', *sys.argv[1:]]))
