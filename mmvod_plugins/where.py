"""Command ``python -m mmvod_plugins.where NAME``, see :mod:`mmvod_plugins.engine.where`."""

from mmvod_plugins.engine.where import find_config, main

__all__ = ['find_config', 'main']

if __name__ == '__main__':
    main()
