# YOLOV on the small YOLOX: the frames keep their size, a group has 16 frames.
_base_ = './toy_yolox.py'

head = _base_.model.detector.bbox_head
model = dict(
    references=dict(type='ShuffledGroups', num_frames=16, num_samples=5),
    frozen=dict(
        names=['detector.backbone', 'detector.neck',
               'detector.bbox_head.base.multi_level_cls_convs',
               'detector.bbox_head.base.multi_level_reg_convs',
               'detector.bbox_head.base.multi_level_conv_reg']),
    detector=dict(
        bbox_head=dict(
            _delete_=True,
            type='TemporalDenseHead',
            base=head,
            selection=dict(
                type='TopObjectness', num_points=100, iou_threshold=0.75, num_objects=20),
            aggregator=dict(
                type='YOLOVAggregator', channels=head.feat_channels, num_heads=4, form='2022'),
            video_convs=2,
            feat_channels=4 * head.feat_channels,
            losses=dict(classes_of='overlapping', overlap=0.6, cls_weight=2.0))))
