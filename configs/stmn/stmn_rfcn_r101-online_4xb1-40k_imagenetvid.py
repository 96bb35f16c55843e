# Forward in time alone; while testing the memory goes from frame to frame of each sequence.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
references = _base_.references = dict(
    type='TrainTestReferences', training=_base_.references, testing=dict(type='KeyFrameOnly'))
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(temporal_neck=dict(bidirectional=False, channels=1024, stride=10))
