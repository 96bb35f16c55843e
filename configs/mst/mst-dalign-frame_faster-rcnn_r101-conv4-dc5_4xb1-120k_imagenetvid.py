_base_ = [
    '../faster_rcnn/faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py',
    '../_base_/necks/mst_conv4.py'
]
# Table 3 (d): alignment and frame level, 78.5 mAP (single frame: 75.1).
model = _base_.temporal_parts
