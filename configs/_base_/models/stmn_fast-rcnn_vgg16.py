# STMN in Fast R-CNN with VGG-16: two memories in the place of conv5_3, 256 of its filters each.
_base_ = './fast-rcnn_vgg16.py'
model = dict(
    references=dict(type='InterleavedWindows', num_frames=11, stride=10, num_samples=7),
    detector=dict(neck=dict(last_conv=False, init_cfg=None)),
    temporal_neck=dict(
        type='STMMNeck',
        in_channels=512,
        channels=256,
        cell=dict(
            type='STMMCell',
            alignment=dict(radius=2, affinity='cosine', detach=True),
            detach_bound=True),
        replaces='detector.neck.last_conv.conv'))
