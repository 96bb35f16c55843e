_base_ = ['../mixed/mega_faster-rcnn_r50-fpn_4xb1-120k_imagenetvid.py',
          '../_base_/necks/mst_fpn.py', '../_base_/aggregators/mst.py']
# All levels of MST on a pyramid: alignment and frame level on P4 and P5.
parts = _base_.temporal_parts
model = dict(references=dict(_delete_=True, **parts.references),
             temporal_neck=dict(levels=(2, 3), **parts.temporal_neck),
             detector=dict(roi_head=dict(aggregator=dict(_delete_=True, **_base_.mst_levels))))
