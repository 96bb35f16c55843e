_base_ = [
    '../_base_/models/stmn_faster-rcnn_r50-conv4-dc5.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid/iter_120000.pth'
