_base_ = './mst-no-instance_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3 (c): proposal level, 81.8 mAP.
model = dict(temporal_neck=None)
