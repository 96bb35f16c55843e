# As toy_350i.py, longer: a model that starts from a trained detector, with memories to learn.
_base_ = './toy_350i.py'
max_iters = 500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.03))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
