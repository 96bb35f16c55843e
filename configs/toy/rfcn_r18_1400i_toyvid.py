_base_ = [
    '../_base_/models/toy_rfcn_r18.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_rfcn_1400i.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=8)
