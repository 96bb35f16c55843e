_base_ = [
    '../_base_/models/stmn_rfcn_r101.py', '../_base_/datasets/imagenet_vid_360.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/rfcn_r101_4xb1-120k_imagenetvid/iter_120000.pth'
