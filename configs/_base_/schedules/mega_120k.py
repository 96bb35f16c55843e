# The schedule of mega.pytorch for every method but RDN's second stage: 4 GPUs, a clip on each.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=40000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

warmup = dict(type='LinearLR', start_factor=1.0 / 3, by_epoch=False, begin=0, end=500)
steps = dict(
    type='MultiStepLR', by_epoch=False, begin=0, end=120000, milestones=[80000], gamma=0.1)
param_scheduler = [warmup, steps]

# As in Caffe, biases learn twice as fast and do not decay. A layer that stands twice in a model, as
# in RTMDet's head, is optimised once.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0, bypass_duplicate=True))

auto_scale_lr = dict(enable=False, base_batch_size=4)
