# YOLOV-x: twenty rounds, a cosine down to a half.
_base_ = './yolov_150k.py'
max_iters, end = 300000, 270000
train_cfg = dict(max_iters=max_iters)
cosine = dict(
    type='CosineAnnealingLR', by_epoch=False, begin=15000, end=end, eta_min_ratio=0.5)
param_scheduler = [_base_.warmup, cosine]
