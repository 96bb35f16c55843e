# YOLOV++ with FocalNet-L: five rounds at a quarter of the rate.
_base_ = './yolov_105k.py'
max_iters, end = 75000, 45000
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1.25e-4))
cosine = dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=end, eta_min_ratio=0.1)
param_scheduler = [cosine]
