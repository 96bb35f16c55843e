"""Training by epochs: each key frame of the data once in an epoch."""

_base_ = './default_runtime.py'

default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1, max_keep_ckpts=-1))
log_processor = dict(by_epoch=True)
