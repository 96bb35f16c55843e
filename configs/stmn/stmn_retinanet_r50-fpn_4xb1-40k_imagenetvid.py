_base_ = [
    '../_base_/models/stmn_retinanet_r50-fpn.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
references = _base_.references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
