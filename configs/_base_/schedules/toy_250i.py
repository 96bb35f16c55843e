# As toy_350i.py, shorter: for a model that starts from a trained detector.
_base_ = './toy_350i.py'
max_iters = 250
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
