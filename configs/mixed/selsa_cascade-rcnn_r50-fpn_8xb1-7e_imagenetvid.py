_base_ = [
    '../_base_/models/cascade-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_epochs.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
# The shared layers of every stage become an embedding and an aggregator.
roi_head = dict(
    type='TemporalCascadeRoIHead',
    embedding=dict(
        type='RoIEmbedding', in_channels=256, roi_feat_size=7, out_channels=1024,
        activation=False),
    aggregator=dict(
        type='SELSAAggregator', channels=1024, num_heads=16, num_stages=2, reference_topk=300),
    bbox_head=[
        dict(
            type='BBoxHead',
            in_channels=1024,
            roi_feat_size=1,
            num_classes=30,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=stds),
            reg_class_agnostic=True,
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0))
        for stds in ([0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067])
    ])
model = dict(
    # The references of SELSA: a frame before and one after in training, 14 of the video in testing.
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=14, append_key=True)),
    detector=dict(roi_head=roi_head))
