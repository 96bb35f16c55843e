# DFF as MMTracking has it: one frame in ten passes the backbone; no scale map.
_base_ = ['./faster-rcnn_r50-dc5.py']

flownet = 'https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'
model = dict(
    references=dict(type='KeyFrameInterval', interval=10, sample_range=[-9, 9], clamp=False),
    temporal_neck=dict(
        type='DFFNeck',
        grid='mmtracking',
        motion=dict(
            type='FlowNetSimple',
            input_mean=[0.411, 0.432, 0.450],
            init_cfg=dict(type='Pretrained', checkpoint=flownet))),
    detector=dict(train_cfg=dict(rpn_proposal=dict(max_per_img=1000))))
