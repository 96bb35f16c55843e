_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 3, base model with the local span 12 + 25 // 2: 81.9 mAP, 130 ms (MEGA: 82.9, 114.5).
references = _base_.references
references.policies.pop(1)
references.policies[0].radius = 24
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(detector=dict(roi_head=dict(aggregator=dict(memory_size=0))))
