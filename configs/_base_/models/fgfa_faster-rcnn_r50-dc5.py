# FGFA as MMTracking has it: 31 frames, flow at the size of the frames, one 3 x 3 embedding layer.
_base_ = ['./faster-rcnn_r50-dc5.py']

flownet = 'https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'
model = dict(
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='LocalWindow', radius=15)),
    temporal_neck=dict(
        type='FGFANeck',
        channels=512,
        embed_layers=[(512, 3)],
        warp_key='copies',
        grid='mmtracking',
        motion=dict(
            type='FlowNetSimple',
            input_mean=[0.411, 0.432, 0.450],
            init_cfg=dict(type='Pretrained', checkpoint=flownet))))
