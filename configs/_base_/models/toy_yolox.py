# A small YOLOX for ToyVID, trained from scratch.
_base_ = './yolox-s.py'
model = dict(
    detector=dict(
        backbone=dict(widen_factor=0.25),
        neck=dict(in_channels=[64, 128, 256], out_channels=64),
        bbox_head=dict(num_classes=12, in_channels=64, feat_channels=64),
        test_cfg=dict(nms=dict(iou_threshold=0.5))))
