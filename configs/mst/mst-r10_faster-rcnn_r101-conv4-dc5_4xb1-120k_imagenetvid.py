_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 7, r = 10%: 83.1 mAP, 101.4 ms (r = 20%: 83.3, 105.7). The same training.
instance = dict(ratio=0.10)
model = dict(detector=dict(roi_head=dict(aggregator=dict(aggregators=dict(instance=instance)))))
