_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# The paper's numbers where its program has others: 80 and 20 objects, 2 memory frames.
model = dict(references=dict(policies=dict(memory=dict(num_samples=2))),
             detector=dict(roi_head=dict(aggregator=dict(reference_topk=80, distilled_topk=20))))
