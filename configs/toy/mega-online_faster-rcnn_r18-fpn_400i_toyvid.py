_base_ = './mega_faster-rcnn_r18-fpn_400i_toyvid.py'
# MEGA online: the window [t - 8, t], global frames of the past.
model = dict(references=dict(policies=dict(
    local=dict(_delete_=True, type='CausalWindow', num_frames=9, num_samples=2, sample_key=True),
    memory=dict(distance=13),  # the 9 frames before the window
    global_=dict(_delete_=True, type='GlobalReservoir', num_frames=5, num_samples=2))))
