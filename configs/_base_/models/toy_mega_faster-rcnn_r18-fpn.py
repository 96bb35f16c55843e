# MEGA on the small detector: 12 objects of a reference frame, a window of 9 frames, 5 global ones.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

model = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck', 'detector.rpn_head']),
    references=dict(
        type='ComposedReferences',
        policies=dict(
            local=dict(type='LocalWindow', radius=4, num_samples=2, sample_key=True),
            memory=dict(type='PrecedingWindow', distance=6, radius=4, num_samples=1),
            global_=dict(type='GlobalShuffle', num_frames=5, num_samples=2))),
    detector=dict(
        roi_head=dict(
            type='TemporalRoIHead',
            embedding=dict(type='RoIEmbedding', in_channels=32, roi_feat_size=7, out_channels=256),
            aggregator=dict(
                type='MEGAAggregator',
                channels=256,
                num_heads=8,
                num_global_stages=1,
                num_local_stages=2,
                reference_topk=12,
                distilled_topk=4,
                memory_size=8),
            bbox_head=dict(
                _delete_=True,
                type='BBoxHead',
                in_channels=256,
                roi_feat_size=1,
                num_classes=12,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=[0.1, 0.1, 0.2, 0.2]),
                reg_class_agnostic=True,
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='L1Loss', loss_weight=1.0)))))
