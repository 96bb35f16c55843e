# STMN on the small detector: memories of every level are added to its map. Windows of 5 frames,
# every second one.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

references = dict(type='InterleavedWindows', num_frames=5, stride=2, num_samples=5)

model = dict(
    references=references,
    temporal_neck=dict(type='STMMNeck', in_channels=32, channels=16, levels=(0, 1, 2, 3)))
