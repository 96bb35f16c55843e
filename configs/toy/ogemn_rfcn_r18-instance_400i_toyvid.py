_base_ = './ogemn_rfcn_r18_400i_toyvid.py'
model = dict(temporal_neck=None)
