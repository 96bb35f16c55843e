_base_ = ['./faster-rcnn_r50-dc5.py']

# Training: one frame before and one after the key frame. Testing: 14 frames of the whole video and
# the key frame; each gives all of its 300 proposals.
model = dict(
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=14, append_key=True)),
    detector=dict(
        roi_head=dict(
            type='TemporalRoIHead',
            embedding=dict(
                type='RoIEmbedding',
                in_channels=512,
                roi_feat_size=7,
                out_channels=1024,
                activation=False),
            aggregator=dict(
                type='SELSAAggregator',
                channels=1024,
                num_heads=16,
                num_stages=2,
                reference_topk=300),
            bbox_head=dict(
                _delete_=True,
                type='BBoxHead',
                in_channels=1024,
                roi_feat_size=1,
                num_classes=30,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=[0.2, 0.2, 0.2, 0.2]),
                reg_class_agnostic=False,
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0)))))
