_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 7, r = 30%: 82.9 mAP, 109.5 ms (r = 20%: 83.3, 105.7). The same training.
instance = dict(ratio=0.30)
model = dict(detector=dict(roi_head=dict(aggregator=dict(aggregators=dict(instance=instance)))))
