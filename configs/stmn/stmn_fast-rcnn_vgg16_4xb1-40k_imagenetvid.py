_base_ = [
    '../_base_/models/stmn_fast-rcnn_vgg16.py', '../_base_/datasets/imagenet_vid_360_proposals.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
references = _base_.references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
load_from = 'work_dirs/fast-rcnn_vgg16_4xb1-120k_imagenetvid/iter_120000.pth'
