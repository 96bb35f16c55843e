_base_ = './mst-dalign-frame_faster-rcnn_r18-fpn_400i_toyvid.py'
# Row (b): frame level.
model = dict(temporal_neck=dict(dalign=None))
