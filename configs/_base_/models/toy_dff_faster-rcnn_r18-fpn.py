# DFF on the small detector: one frame in four passes the backbone.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

model = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck']),
    references=dict(type='KeyFrameInterval', interval=4, sample_range=[-3, 3]),
    temporal_neck=dict(
        type='DFFNeck',
        motion=dict(
            type='FlowNetSimple',
            input_mean=[0.411, 0.432, 0.450],
            base_channels=16)))
