_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (a), T_g = 15: 82.9 mAP, 117.4 ms (T_g = 10: 82.9, 114.5).
model = dict(references=dict(policies=dict(global_=dict(num_frames=15))))
