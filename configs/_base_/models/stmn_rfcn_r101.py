# STMN as published: two memories in the place of R-FCN's last convolution, whose filters start
# them, in windows of 11 frames, 1 in 10, whose every frame is detected.
_base_ = './rfcn_r101.py'
model = dict(
    references=dict(type='InterleavedWindows', num_frames=11, stride=10, num_samples=7),
    detector=dict(neck=dict(last_conv=False)),
    temporal_neck=dict(
        type='STMMNeck',
        in_channels=1024,
        channels=512,
        cell=dict(
            type='STMMCell',
            alignment=dict(radius=2, affinity='cosine', detach=True),
            detach_bound=True),
        replaces='detector.neck.last_conv.conv'))
