_base_ = [
    '../_base_/models/fgfa_faster-rcnn_r50-conv4-dc5.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
_base_.train_dataloader.dataset.pipeline[0].references = _base_.references
_base_.val_dataloader.sampler.references = _base_.references
_base_.test_dataloader.sampler.references = _base_.references
