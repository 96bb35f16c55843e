# Control for OGEMN: the static detector, trained on as many further frames with a loss.
_base_ = [
    '../_base_/models/toy_rfcn_r18.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_ogemn_500i.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=6)
