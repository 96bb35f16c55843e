_base_ = './mst-no-instance_faster-rcnn_r18-fpn_400i_toyvid.py'
# Row (c): proposal level.
model = dict(temporal_neck=None)
