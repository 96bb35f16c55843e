# What the other published sizes change in YOLOV-s and YOLOV++-s.
_base_ = './yolox.py'

head_l = dict(
    base=dict(in_channels=256, feat_channels=256), aggregator=dict(channels=256),
    feat_channels=1024)
head_x = dict(
    base=dict(in_channels=320, feat_channels=320), aggregator=dict(channels=320),
    feat_channels=1280)
yolov_l = dict(detector=dict(_base_.yolox_l.detector, bbox_head=head_l))
yolov_x = dict(detector=dict(_base_.yolox_x.detector, bbox_head=head_x))
# YOLOV++ in these sizes gives every frame 50 objects at least
more = dict(min_objects=50)
yolovpp_l = dict(detector=dict(_base_.yolox_l.detector, bbox_head=dict(head_l, selection=more)))
yolovpp_swin_t = dict(
    detector=dict(_base_.yolox_swin_t.detector, bbox_head=dict(head_l, selection=more)))
yolovpp_swin_b = dict(
    detector=dict(_base_.yolox_swin_b.detector, bbox_head=dict(head_x, selection=more)))
yolovpp_focal_l = dict(
    detector=dict(
        _base_.yolox_focal_l.detector,
        bbox_head=dict(head_l, selection=dict(min_objects=36))))
