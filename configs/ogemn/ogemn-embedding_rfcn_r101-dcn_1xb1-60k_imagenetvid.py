_base_ = './ogemn-embedding_rfcn_r101_1xb1-60k_imagenetvid.py'
model = dict(detector=dict(backbone=_base_.deformable))
load_from = 'work_dirs/rfcn_r101-sliced-dcn_1xb1-200k_imagenetvid/iter_200000.pth'
