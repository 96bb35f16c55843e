_base_ = [
    '../_base_/models/fgfa_faster-rcnn_r50-dc5.py',
    '../_base_/datasets/imagenet_vid_epochs.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
