_base_ = [
    '../_base_/models/toy_rtmdet.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_rtmdet.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=8)
