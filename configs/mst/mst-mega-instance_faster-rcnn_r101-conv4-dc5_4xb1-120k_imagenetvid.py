_base_ = './mst-mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (k): MEGA with the instance level, 83.3 mAP (MEGA: 82.9).
model = dict(temporal_neck=None)
