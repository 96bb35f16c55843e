_base_ = './ogemn_rfcn_r101_1xb1-10k_imagenetvid.py'
model = dict(detector=dict(backbone=_base_.deformable))
load_from = 'work_dirs/ogemn-embedding_rfcn_r101-dcn_1xb1-60k_imagenetvid/iter_60000.pth'
