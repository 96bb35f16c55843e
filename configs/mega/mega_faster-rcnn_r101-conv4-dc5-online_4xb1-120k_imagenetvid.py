_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Section 4.5, online: 81.9 mAP (MEGA: 82.9). The window [t - 24, t], global frames of the past.
model = dict(references=dict(policies=dict(
    local=dict(_delete_=True, type='CausalWindow', num_frames=25, num_samples=2, sample_key=True),
    memory=dict(distance=37),  # the 25 frames before the window
    global_=dict(_delete_=True, type='GlobalReservoir', num_frames=10, num_samples=2))))
