"""Train a video detector with mmdet's own ``tools/train.py`` and all its options."""

from mmvod_plugins.engine.launch import run_stock_script

if __name__ == '__main__':
    run_stock_script('train.py')
