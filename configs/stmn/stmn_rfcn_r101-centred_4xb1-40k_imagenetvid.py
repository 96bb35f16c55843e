# Every frame is detected in one window, in whose middle it is: trained alike, tested faster.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
references = _base_.references
references.type = 'CentredWindow'
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
