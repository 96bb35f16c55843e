_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (c), N_l = 2: 82.5 mAP, 108.7 ms (N_l = 3: 82.9, 114.5).
model = dict(detector=dict(roi_head=dict(aggregator=dict(num_local_stages=2))))
