_base_ = [
    '../_base_/models/mst_faster-rcnn_r50-conv4-dc5.py',
    '../_base_/datasets/uavdt.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
# R-101, as mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py.
backbone = dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://detectron2/resnet101_caffe'))
# Candidates in ignore regions are no background.
ignore = dict(assigner=dict(ignore_iof_thr=0.5))
model = dict(
    detector=dict(
        backbone=backbone,
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=None, **backbone),
            embedding=dict(in_channels=2048),
            bbox_head=dict(num_classes=3)),
        train_cfg=dict(rpn=ignore, rcnn=ignore)))
