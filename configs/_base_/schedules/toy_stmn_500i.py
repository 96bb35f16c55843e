# As toy_350i.py, longer, and faster for the memories: most of what they do is yet to be learnt.
_base_ = './toy_350i.py'
max_iters = 500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    optimizer=dict(lr=0.03), paramwise_cfg=dict(custom_keys=dict(temporal_neck=dict(lr_mult=4.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=0),
]
