_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (b), T_l = 21: 82.8 mAP, 109.7 ms (T_l = 25: 82.9, 114.5). Memory: the 25 frames before.
model = dict(references=dict(policies=dict(local=dict(radius=10), memory=dict(distance=23))))
