_base_ = ['./yolox-s_1xb16-7e_imagenetvid.py', '../_base_/sizes/yolox.py']
model = _base_.yolox_focal_l
load_from = None
