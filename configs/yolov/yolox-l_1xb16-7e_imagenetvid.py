_base_ = ['./yolox-s_1xb16-7e_imagenetvid.py', '../_base_/sizes/yolox.py']
model = _base_.yolox_l
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_l_8x8_300e_coco/yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth'
