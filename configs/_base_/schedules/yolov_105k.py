# YOLOV's schedule: 7 rounds of 15,000 groups on one GPU, a cosine down to a tenth, the last two
# rounds at the minimum.
max_iters, end = 105000, 75000
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=15000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=5e-4, momentum=0.9, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
cosine = dict(type='CosineAnnealingLR', by_epoch=False, begin=0, end=end, eta_min_ratio=0.1)
param_scheduler = [cosine]
auto_scale_lr = dict(enable=False, base_batch_size=1)
