# A small RTMDet for ToyVID, trained from scratch.
_base_ = './rtmdet-s.py'
model = dict(
    detector=dict(
        backbone=dict(widen_factor=0.25),
        neck=dict(in_channels=[64, 128, 256], out_channels=64),
        bbox_head=dict(num_classes=12, in_channels=64, feat_channels=64),
        test_cfg=dict(nms_pre=1000, nms=dict(iou_threshold=0.5), max_per_img=100)))
