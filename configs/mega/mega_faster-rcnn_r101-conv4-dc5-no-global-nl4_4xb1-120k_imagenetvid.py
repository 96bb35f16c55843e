_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 4, N_g = 0 and N_l = 4: 81.6 mAP (MEGA: 82.9).
references = _base_.references
references.policies.pop(2)
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
aggregator = dict(num_global_stages=0, num_result_stages=0, num_local_stages=4)
model = dict(detector=dict(roi_head=dict(aggregator=aggregator)))
