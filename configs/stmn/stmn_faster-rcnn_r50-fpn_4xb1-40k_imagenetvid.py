_base_ = [
    '../_base_/models/stmn_faster-rcnn_r50-fpn.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
references = _base_.references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
# Starts from the detector of mmdet's model zoo, but for the layers that know its classes.
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_fpn_1x_coco/faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth'
