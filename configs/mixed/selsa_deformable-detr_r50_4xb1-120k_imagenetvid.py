_base_ = [
    '../_base_/models/deformable-detr_r50.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
# The queries of the last decoder layer look at those of other frames.
model = dict(
    # The references of SELSA: a frame before and one after in training, 14 of the video in testing.
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=14, append_key=True)),
    detector=dict(
        bbox_head=dict(
            type='TemporalDeformableDETRHead',
            aggregator=dict(
                type='SELSAAggregator',
                channels=256,
                num_heads=8,
                num_stages=2,
                reference_topk=300),
            feat_channels=256)))
# AdamW as mmdet trains it (0.0002 for 32 images), for 4 key frames.
lr_mult = dict(lr_mult=0.1)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.000025, weight_decay=0.0001),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(
        custom_keys=dict(backbone=lr_mult, sampling_offsets=lr_mult, reference_points=lr_mult)))
load_from = 'https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr_r50_16xb2-50e_coco/deformable-detr_r50_16xb2-50e_coco_20221029_210934-6bc7d21b.pth'
