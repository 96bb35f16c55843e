_base_ = [
    '../_base_/models/toy_faster-rcnn_r18-fpn.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_1200i.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=8)
