# YOLOV-l: ten rounds, the first one a quadratic warm-up.
_base_ = './yolov_105k.py'
max_iters, end = 150000, 120000
train_cfg = dict(max_iters=max_iters)
warmup = dict(type='mmdet.QuadraticWarmupLR', by_epoch=False, begin=0, end=15000)
cosine = dict(
    type='CosineAnnealingLR', by_epoch=False, begin=15000, end=end, eta_min_ratio=0.1)
param_scheduler = [warmup, cosine]
