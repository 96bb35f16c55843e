_base_ = './mst-mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (j): MEGA with the frame level, 83.1 mAP (MEGA: 82.9).
model = dict(temporal_neck=dict(dalign=None),
             detector=dict(roi_head=dict(aggregator=dict(order=['mega']))))
