_base_ = ['../_base_/models/retinanet_r50-fpn.py', '../_base_/necks/mst_fpn.py',
          '../_base_/datasets/imagenet_vid_fgfa_style.py',
          '../_base_/schedules/mega_120k.py', '../_base_/default_runtime.py']
parts = _base_.temporal_parts
model = dict(references=parts.references,
             temporal_neck=dict(levels=(1, 2), **parts.temporal_neck))  # P4 and P5
# Starts from the detector of mmdet's model zoo, but for the layers that know its classes.
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r50_fpn_1x_coco/retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth'
