# STMN in Faster R-CNN with RPN on conv4 and RoI on dilated conv5: memories are added to conv4.
_base_ = './faster-rcnn_r50-conv4-dc5.py'
model = dict(
    references=dict(type='CentredWindow', num_frames=11, stride=10, num_samples=7),
    temporal_neck=dict(type='STMMNeck', in_channels=1024, channels=512))
