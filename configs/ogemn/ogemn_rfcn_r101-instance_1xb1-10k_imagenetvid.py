_base_ = './ogemn_rfcn_r101_1xb1-10k_imagenetvid.py'
# Row (c) of table 1: the instance memory alone.
model = dict(temporal_neck=None)
load_from = 'work_dirs/ogemn-embedding_rfcn_r101-instance_1xb1-60k_imagenetvid/iter_60000.pth'
