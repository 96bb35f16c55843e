_base_ = ['./yolox-s_1xb16-7e_imagenetvid.py', '../_base_/sizes/yolox.py']
model = _base_.yolox_swin_t
load_from = None
