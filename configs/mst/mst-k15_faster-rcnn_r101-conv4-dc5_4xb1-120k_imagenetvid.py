_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 6, K = 15: 83.0 mAP, 102.6 ms (K = 20: 83.3, 105.7). The same training.
instance = dict(num_candidates=15)
model = dict(detector=dict(roi_head=dict(aggregator=dict(aggregators=dict(instance=instance)))))
