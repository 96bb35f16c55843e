# As toy_yolox.py for RTMDet, four times as long: its classification stands still for some hundred
# iterations, with AdamW and lower learning rates for longer. Its levels share convolutions.
_base_ = './toy_yolox.py'
max_iters = 6000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.05), paramwise_cfg=dict(bypass_duplicate=True))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
