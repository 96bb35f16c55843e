_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Section 4.5, online: 81.9 mAP (MEGA: 82.9). The window [t - 24, t], global frames of the past.
references = _base_.references
references.policies[0] = dict(type='CausalWindow', num_frames=25, num_samples=2, sample_key=True)
references.policies[1].distance = 37  # the 25 frames before the window
references.policies[2] = dict(type='GlobalReservoir', num_frames=10, num_samples=2)
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
