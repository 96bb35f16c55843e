# 1200 iterations of SGD with a short warm-up and a cosine: minutes on two CPU cores.
max_iters = 1200
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=10, norm_type=2))
warmup = dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50)
cosine = dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=0)
param_scheduler = [warmup, cosine]
auto_scale_lr = dict(enable=False, base_batch_size=8)
