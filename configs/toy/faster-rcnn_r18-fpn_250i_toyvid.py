_base_ = [
    '../_base_/models/toy_faster-rcnn_r18-fpn.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_250i.py', '../_base_/default_runtime.py'
]
# The static detector, trained from its checkpoint for as long as the methods: their control.
train_dataloader = dict(batch_size=4)
