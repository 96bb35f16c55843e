_base_ = ['../_base_/models/yolox-s.py', '../_base_/necks/fgfa_yolox-s.py',
          '../_base_/datasets/imagenet_vid_fgfa_style.py',
          '../_base_/schedules/mega_120k.py', '../_base_/default_runtime.py']
model = _base_.temporal_parts
# Starts from the detector of mmdet's model zoo, but for the layers that know its classes.
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'
