_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (c), N_l = 4: 83.0 mAP, 122.3 ms (N_l = 3: 82.9, 114.5).
model = dict(detector=dict(roi_head=dict(aggregator=dict(num_local_stages=4))))
