_base_ = [
    '../_base_/models/cascade-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
train_dataloader = dict(sampler=dict(type='VideoKeyFrameSampler'))
