_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (a), T_g = 5: 82.7 mAP, 111.6 ms (T_g = 10: 82.9, 114.5).
model = dict(references=dict(policies=dict(global_=dict(num_frames=5))))
