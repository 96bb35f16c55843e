_base_ = [
    '../_base_/models/toy_dff_faster-rcnn_r18-fpn.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_350i.py', '../_base_/default_runtime.py'
]
references = _base_.references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
# The flow network learns from nothing but the losses of the detector, and faster with Adam.
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=0.0007, weight_decay=0.01))
train_cfg = dict(max_iters=600, val_interval=600)
_base_.param_scheduler[1].update(end=600, T_max=550)
