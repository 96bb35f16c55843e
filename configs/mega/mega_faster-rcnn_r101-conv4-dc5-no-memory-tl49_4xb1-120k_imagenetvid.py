_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3, base model with the local span 12 + 25 // 2: 81.9 mAP, 130 ms (MEGA: 82.9, 114.5).
model = dict(references=dict(policies=dict(local=dict(radius=24), memory=None)),
             detector=dict(roi_head=dict(aggregator=dict(memory_size=0))))
