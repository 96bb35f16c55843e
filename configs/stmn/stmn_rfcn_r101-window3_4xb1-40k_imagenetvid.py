_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
references = _base_.references
references.num_frames = 3
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
