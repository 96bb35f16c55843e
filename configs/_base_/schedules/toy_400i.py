# 400 iterations of AdamW for the temporal part of a trained detector. With SGD relation modules,
# whose weights start near zero, learn several times more slowly.
_base_ = './toy_1200i.py'
max_iters = 400
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-4))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
