_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (a), T_g = 15: 82.9 mAP, 117.4 ms (T_g = 10: 82.9, 114.5).
references = _base_.references
references.policies[2].num_frames = 15
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
