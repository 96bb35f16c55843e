_base_ = [
    '../_base_/models/toy_stmn_rfcn_r18.py', '../_base_/datasets/toy_vid.py',
    '../_base_/schedules/toy_stmn_500i.py', '../_base_/default_runtime.py'
]
references = _base_.references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
train_dataloader = dict(batch_size=3)
