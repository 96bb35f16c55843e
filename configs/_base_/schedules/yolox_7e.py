# YOLOX on ImageNet VID as the base of YOLOV: 7 epochs, a cosine down to a twentieth.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=7, val_begin=7, val_interval=7)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
cosine = dict(
    type='CosineAnnealingLR', by_epoch=True, begin=0, end=6, eta_min_ratio=0.05,
    convert_to_iter_based=True)
param_scheduler = [cosine]
auto_scale_lr = dict(enable=False, base_batch_size=16)
