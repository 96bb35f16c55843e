# SELSA on the small detector: all 40 proposals of 8 frames of the video and of the key frame.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

model = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck', 'detector.rpn_head']),
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=8, append_key=True)),
    detector=dict(
        roi_head=dict(
            type='TemporalRoIHead',
            embedding=dict(
                type='RoIEmbedding',
                in_channels=32,
                roi_feat_size=7,
                out_channels=256,
                activation=False),
            aggregator=dict(
                type='SELSAAggregator', channels=256, num_heads=8, num_stages=2,
                reference_topk=40),
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
