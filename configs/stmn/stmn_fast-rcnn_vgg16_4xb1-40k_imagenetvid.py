_base_ = [
    '../_base_/models/stmn_fast-rcnn_vgg16.py', '../_base_/datasets/imagenet_vid_360_proposals.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/fast-rcnn_vgg16_4xb1-120k_imagenetvid/iter_120000.pth'
