# OGEMN's third stage: the whole network, 10,000 samples of 4 frames with 5e-5.
_base_ = './rfcn_120k.py'
train_cfg = dict(max_iters=10000, val_interval=10000)
optim_wrapper = dict(optimizer=dict(lr=0.00005))
param_scheduler = [_base_.warmup]
auto_scale_lr = dict(base_batch_size=1)
