_base_ = [
    '../_base_/models/stmn_rfcn_r101.py', '../_base_/datasets/imagenet_vid_360_proposals.py',
    '../_base_/schedules/stmn_40k.py', '../_base_/default_runtime.py'
]
model = dict(detector=dict(rpn_head=None))
load_from = 'work_dirs/rfcn_r101-proposals_4xb1-120k_imagenetvid/iter_120000.pth'
