_base_ = './stmn_rfcn_r18_400i_toyvid.py'
# The memory is not aligned with the next frame.
model = dict(temporal_neck=dict(cell=dict(alignment=None)))
