_base_ = './rdn_faster-rcnn_r18-fpn_400i_toyvid.py'
# RDN's first stage: relations to the frames of the window, none refined.
model = dict(detector=dict(roi_head=dict(aggregator=dict(num_advanced_stages=0))))
