_base_ = [
    '../_base_/models/fast-rcnn_vgg16.py',
    '../_base_/datasets/imagenet_vid_360_proposals.py',
    '../_base_/schedules/rfcn_120k.py',
    '../_base_/default_runtime.py',
]
