_base_ = './stmn_rfcn_r18_400i_toyvid.py'
# The STMM's place taken by a ConvGRU, which has no filters of the detector to start from.
model = dict(temporal_neck=dict(cell=dict(_delete_=True, type='ConvGRUCell')))
