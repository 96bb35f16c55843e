_base_ = [
    '../_base_/models/toy_dff_faster-rcnn_r18-fpn.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_350i.py', '../_base_/default_runtime.py'
]
# The flow network learns from nothing but the losses of the detector, and faster with Adam.
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=0.0007, weight_decay=0.01))
train_cfg = dict(max_iters=600, val_interval=600)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=600)]
