# STMN in Faster R-CNN with FPN: memories of each level are added to its map. P2 has none: a 5 x 5
# neighbourhood is 20 pixels there, and its memories would cost more than all others.
_base_ = './faster-rcnn_r50-fpn.py'
model = dict(
    references=dict(type='CentredWindow', num_frames=11, stride=10, num_samples=7),
    temporal_neck=dict(type='STMMNeck', in_channels=256, channels=128, levels=(1, 2, 3, 4)))
