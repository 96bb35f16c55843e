_base_ = './mst-no-instance_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3 (e): alignment and proposal level, 82.4 mAP.
model = dict(temporal_neck=dict(attention=None))
