# YOLOV-s as published: YOLOX-s, whose best 30 points of a frame look at those of 31 others. The
# detector is frozen but for the layers that predict classes and objectness.
_base_ = './yolox-s.py'

head = _base_.model.detector.bbox_head
head.loss_bbox.loss_weight = 3.0
# every ten steps another size of the frames
sizes = dict(
    type='BatchSyncRandomResize', random_size_range=(416, 736), size_divisor=32, interval=10)
model = dict(
    data_preprocessor=dict(batch_augments=[sizes]),
    references=dict(type='ShuffledGroups', num_frames=32, num_samples=16),
    frozen=dict(
        names=['detector.backbone', 'detector.neck',
               'detector.bbox_head.base.multi_level_cls_convs',
               'detector.bbox_head.base.multi_level_reg_convs',
               'detector.bbox_head.base.multi_level_conv_reg'],
        batch_statistics=True),  # as published
    detector=dict(
        bbox_head=dict(
            _delete_=True,
            type='TemporalDenseHead',
            base=head,
            selection=dict(
                type='TopObjectness', num_points=750, iou_threshold=0.75, num_objects=30),
            # '2022' is the form that made the published weights
            aggregator=dict(
                type='YOLOVAggregator', channels=head.feat_channels, num_heads=4, form='2022'),
            video_convs=2,
            feat_channels=4 * head.feat_channels,
            losses=dict(classes_of='overlapping', overlap=0.6, cls_weight=2.0)),
        train_cfg=dict(assigner=dict(center_radius=4.5)),
        test_cfg=dict(score_thr=0.001, nms=dict(iou_threshold=0.5))))
