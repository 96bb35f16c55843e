_base_ = './selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid.py'
# Testing with a fixed stride: the 7 frames before and after the key frame, and itself.
references = _base_.references
references.testing = dict(type='LocalWindow', radius=7, stride=1)
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
