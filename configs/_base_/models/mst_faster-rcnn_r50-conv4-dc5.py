# MST: alignment and frame level on conv4, proposal and instance level behind conv5. As RDN-base's
# but for the window, which is cut at the ends of a video, the neck and the aggregator.
_base_ = [
    './rdn-base_faster-rcnn_r50-conv4-dc5.py', '../necks/mst_conv4.py', '../aggregators/mst.py'
]

model = dict(
    references=_base_.temporal_parts.references,
    temporal_neck=_base_.temporal_parts.temporal_neck,
    detector=dict(roi_head=dict(aggregator=dict(_delete_=True, **_base_.mst_levels))))
