_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (b), T_l = 13: 82.6 mAP, 99.2 ms (T_l = 25: 82.9, 114.5).
references = _base_.references
references.policies[0].radius = 6
references.policies[1].distance = 19  # the 25 frames before the window
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
