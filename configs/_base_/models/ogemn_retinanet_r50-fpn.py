# OGEMN's pixel memory in RetinaNet: one for each of P4 to P7; P3 is too large to be read whole.
_base_ = './retinanet_r50-fpn.py'
model = dict(
    references=dict(type='PrecedingIntervals', num_samples=3, max_interval=20),
    temporal_neck=dict(
        type='OGEMNNeck', in_channels=256, levels=(1, 2, 3, 4), strides=(16, 32, 64, 128)))
