# STMN in RetinaNet: memories of each level, P3 to P7, are added to its map.
_base_ = './retinanet_r50-fpn.py'
model = dict(
    references=dict(type='CentredWindow', num_frames=11, stride=10, num_samples=7),
    temporal_neck=dict(type='STMMNeck', in_channels=256, channels=128, levels=(0, 1, 2, 3, 4)))
