_base_ = [
    '../_base_/models/mst_faster-rcnn_r101-conv4-dc5.py',
    '../_base_/datasets/uavdt.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
# Candidates in ignore regions are no background.
ignore = dict(assigner=dict(ignore_iof_thr=0.5))
model = dict(detector=dict(
    roi_head=dict(bbox_head=dict(num_classes=3)), train_cfg=dict(rpn=ignore, rcnn=ignore)))
