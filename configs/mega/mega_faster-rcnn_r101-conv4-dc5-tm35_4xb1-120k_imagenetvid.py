_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 5 (d), T_m = 35: 82.9 mAP, 115.4 ms (T_m = 25: 82.9, 114.5).
references = _base_.references
references.policies[1].update(distance=30, radius=17)  # the 35 frames before the window
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(detector=dict(roi_head=dict(aggregator=dict(memory_size=35))))
