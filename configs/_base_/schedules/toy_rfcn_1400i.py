# As toy_1200i.py, longer and faster: for R-FCN, whose heads start from smaller weights.
_base_ = './toy_1200i.py'
max_iters = 1400
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.05))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
