_base_ = './mst_faster-rcnn_r18-fpn_400i_toyvid.py'
# Row (f): alignment, frame and proposal level.
model = dict(detector=dict(roi_head=dict(aggregator=dict(order=['proposal']))))
