_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3 (f): alignment, frame and proposal level, 82.8 mAP.
model = dict(detector=dict(roi_head=dict(aggregator=dict(order=['proposal']))))
