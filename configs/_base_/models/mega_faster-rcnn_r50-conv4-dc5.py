_base_ = ['./faster-rcnn_r50-conv4-dc5.py']

model = dict(
    references=dict(
        type='ComposedReferences',
        policies=dict(
            local=dict(type='LocalWindow', radius=12, num_samples=2, sample_key=True),
            memory=dict(type='PrecedingWindow', distance=25, radius=12, num_samples=3),
            global_=dict(type='GlobalShuffle', num_frames=10, num_samples=2))),
    detector=dict(
        roi_head=dict(
            type='TemporalRoIHead',
            embedding=dict(
                type='RoIEmbedding', in_channels=256, roi_feat_size=7, out_channels=1024),
            aggregator=dict(
                type='MEGAAggregator',
                channels=1024,
                num_heads=16,
                num_global_stages=1,
                num_local_stages=3,
                num_result_stages=0,
                reference_topk=75,
                distilled_topk=15,
                memory_size=25),
            bbox_head=dict(
                _delete_=True,
                type='BBoxHead',
                in_channels=1024,
                roi_feat_size=1,
                num_classes=30,
                bbox_coder=dict(type='InclusiveBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2)),
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0)))))
