_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3, base model: 81.4 mAP, 105.6 ms (MEGA: 82.9, 114.5).
model = dict(references=dict(policies=dict(memory=None)),
             detector=dict(roi_head=dict(aggregator=dict(memory_size=0))))
