_base_ = [
    '../_base_/models/cascade-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_epochs.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
