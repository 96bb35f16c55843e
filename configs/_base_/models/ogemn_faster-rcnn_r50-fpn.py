# OGEMN's pixel memory in Faster R-CNN with FPN: one for each of P4 to P6. P2 and P3 have none:
# training reads all locations of three frames, 28,000 rows of weights for 9,000 cells of P3.
_base_ = './faster-rcnn_r50-fpn.py'
model = dict(
    references=dict(type='PrecedingIntervals', num_samples=3, max_interval=20),
    temporal_neck=dict(
        type='OGEMNNeck', in_channels=256, levels=(2, 3, 4), strides=(16, 32, 64)))
