_base_ = './ogemn-embedding_rfcn_r101_1xb1-60k_imagenetvid.py'
model = dict(temporal_neck=None)
