# OGEMN's static detector: one image per iteration, SGD with 5e-4, and 5e-5 from 120,000 on.
_base_ = './rfcn_120k.py'
train_cfg = dict(max_iters=200000, val_interval=50000)
optim_wrapper = dict(optimizer=dict(lr=0.0005))
param_scheduler = [_base_.warmup, dict(_base_.steps, end=200000, milestones=[120000])]
auto_scale_lr = dict(base_batch_size=1)
