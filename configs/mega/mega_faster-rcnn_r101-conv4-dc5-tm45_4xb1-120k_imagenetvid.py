_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (d), T_m = 45: 83.0 mAP, 116.1 ms (T_m = 25: 82.9, 114.5).
references = _base_.references
references.policies[1].update(distance=35, radius=22)  # the 45 frames before the window
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(detector=dict(roi_head=dict(aggregator=dict(memory_size=45))))
