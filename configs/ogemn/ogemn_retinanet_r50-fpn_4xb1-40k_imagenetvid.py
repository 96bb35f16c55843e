_base_ = [
    '../_base_/models/ogemn_retinanet_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py', '../_base_/schedules/stmn_40k.py',
    '../_base_/default_runtime.py'
]
# Starts from the detector of mmdet's model zoo, but for the layers that know its classes.
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r50_fpn_1x_coco/retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth'
