_base_ = [
    '../_base_/models/fgfa_faster-rcnn_r50-dc5.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
_base_.train_dataloader.dataset.pipeline[0].references = _base_.references
_base_.val_dataloader.sampler.references = _base_.references
_base_.test_dataloader.sampler.references = _base_.references
train_dataloader = dict(sampler=dict(type='VideoKeyFrameSampler'))
