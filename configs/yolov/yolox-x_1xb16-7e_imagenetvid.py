_base_ = ['./yolox-s_1xb16-7e_imagenetvid.py', '../_base_/sizes/yolox.py']
model = _base_.yolox_x
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_x_8x8_300e_coco/yolox_x_8x8_300e_coco_20211126_140254-1ef88d67.pth'
