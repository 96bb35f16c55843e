# STMN as published on the small R-FCN: two memories in the place of its last convolution, whose
# filters start them. Windows of 7 frames, every second one: three in four objects move by less than
# a cell from one to the next, and alignment looks one cell far.
_base_ = ['./toy_rfcn_r18.py']

model = dict(
    frozen=dict(names=['detector.backbone', 'detector.rpn_head']),
    references=dict(type='InterleavedWindows', num_frames=7, stride=2, num_samples=5),
    detector=dict(neck=dict(last_conv=False)),
    temporal_neck=dict(
        type='STMMNeck',
        in_channels=128,
        channels=64,
        cell=dict(
            type='STMMCell',
            alignment=dict(radius=1, affinity='cosine', detach=True),
            detach_bound=True),
        replaces='detector.neck.last_conv.conv'))
