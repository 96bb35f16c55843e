_base_ = [
    '../_base_/models/rfcn_r101.py',
    '../_base_/datasets/imagenet_vid_360_proposals.py',
    '../_base_/schedules/rfcn_120k.py',
    '../_base_/default_runtime.py',
]
# Precomputed proposals (DeepMask in STMN) in place of the RPN.
model = dict(detector=dict(rpn_head=None))
load_from = 'work_dirs/rfcn_r101_4xb1-120k_imagenetdet/iter_120000.pth'
