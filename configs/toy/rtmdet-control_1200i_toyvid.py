_base_ = './rtmdet_6000i_toyvid.py'
# The static detector trained on, all of it, from its checkpoint: the control of the methods on it.
max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
