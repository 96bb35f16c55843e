# FGFA on the small detector: 9 frames, a narrow flow network that starts with a still world.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

model = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck']),
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=4, num_samples=2, bilateral=True),
        testing=dict(type='LocalWindow', radius=4)),
    temporal_neck=dict(
        type='FGFANeck',
        channels=32,
        embed_layers=[(32, 3)],
        motion=dict(
            type='FlowNetSimple',
            input_mean=[0.411, 0.432, 0.450],
            base_channels=16)))
