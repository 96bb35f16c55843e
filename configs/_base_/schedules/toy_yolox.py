# As toy_1200i.py for YOLOX, which needs more iterations and Nesterov momentum.
_base_ = './toy_1200i.py'
max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
