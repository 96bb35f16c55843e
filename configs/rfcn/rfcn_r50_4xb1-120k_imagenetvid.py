_base_ = [
    '../_base_/models/rfcn_r50.py',
    '../_base_/datasets/imagenet_vid_360.py',
    '../_base_/schedules/rfcn_120k.py',
    '../_base_/default_runtime.py',
]
