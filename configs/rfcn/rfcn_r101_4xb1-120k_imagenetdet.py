# First stage of STMN's static detector: still images alone, tested on videos.
_base_ = [
    '../_base_/models/rfcn_r101.py',
    '../_base_/datasets/imagenet_vid_360.py',
    '../_base_/schedules/rfcn_120k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(datasets=[_base_.det]))
