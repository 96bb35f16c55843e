# The short side of FGFA and MEGA.
_base_ = [
    '../_base_/models/rfcn_r101.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/rfcn_120k.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/rfcn_r101_4xb1-120k_imagenetdet/iter_120000.pth'
