# As toy_350i.py, longer, and faster for the memories: most of what they do is yet to be learnt.
_base_ = './toy_350i.py'
max_iters = 500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    optimizer=dict(lr=0.03), paramwise_cfg=dict(custom_keys=dict(temporal_neck=dict(lr_mult=4.0))))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
