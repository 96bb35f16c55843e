# OGEMN's second stage: the embeddings of the reads alone, 60,000 samples of 4 frames with 1e-4.
_base_ = './rfcn_120k.py'
train_cfg = dict(max_iters=60000, val_interval=60000)
frozen = dict(lr_mult=0.0, decay_mult=0.0)
# the longest name that a parameter has decides
optim_wrapper = dict(
    optimizer=dict(lr=0.0001),
    paramwise_cfg=dict(
        _delete_=True,
        custom_keys={
            'detector': frozen,
            'detector.roi_head.aggregator': dict(lr_mult=1.0)
        }))
param_scheduler = [_base_.warmup]
auto_scale_lr = dict(base_batch_size=1)
