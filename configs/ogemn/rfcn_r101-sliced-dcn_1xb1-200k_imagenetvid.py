_base_ = './rfcn_r101-sliced_1xb1-200k_imagenetvid.py'
model = dict(detector=dict(backbone=_base_.deformable))
