_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# The paper's numbers where its program has others: 80 and 20 objects, 2 memory frames.
references = _base_.references
references.policies[1].num_samples = 2
_base_.model.references = references
_base_.train_dataloader.dataset.pipeline[0].references = references
_base_.val_dataloader.sampler.references = references
_base_.test_dataloader.sampler.references = references
model = dict(detector=dict(roi_head=dict(aggregator=dict(reference_topk=80, distilled_topk=20))))
