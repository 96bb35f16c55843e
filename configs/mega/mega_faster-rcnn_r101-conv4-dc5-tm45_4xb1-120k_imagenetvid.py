_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (d), T_m = 45 frames before the window: 83.0 mAP, 116.1 ms (T_m = 25: 82.9, 114.5).
model = dict(references=dict(policies=dict(memory=dict(distance=35, radius=22))),
             detector=dict(roi_head=dict(aggregator=dict(memory_size=45))))
