# mmdet's RTMDet-s as a video detector for the 30 classes of ImageNet VID; BGR. Clips are resized
# and flipped: mosaic and mix-up would tear their frames apart.
norm_cfg = dict(type='BN')
act_cfg = dict(type='SiLU', inplace=True)
sync_bn = 'torch'  # batch norm learns: one statistic over the frames of all GPUs
model = dict(
    type='VideoDetector',
    data_preprocessor=dict(
        type='TrackDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        pad_size_divisor=32),
    detector=dict(
        type='RTMDet',
        backbone=dict(
            type='CSPNeXt',
            arch='P5',
            expand_ratio=0.5,
            deepen_factor=0.33,
            widen_factor=0.5,
            channel_attention=True,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg),
        neck=dict(
            type='CSPNeXtPAFPN',
            in_channels=[128, 256, 512],
            out_channels=128,
            num_csp_blocks=1,
            expand_ratio=0.5,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg),
        bbox_head=dict(
            type='RTMDetSepBNHead',
            num_classes=30,
            in_channels=128,
            feat_channels=128,
            stacked_convs=2,
            anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
            bbox_coder=dict(type='DistancePointBBoxCoder'),
            loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
            loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
            with_objectness=False,
            exp_on_reg=False,
            share_conv=True,
            pred_kernel_size=1,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg),
        train_cfg=dict(
            assigner=dict(type='DynamicSoftLabelAssigner', topk=13),
            allowed_border=-1,
            pos_weight=-1,
            debug=False),
        test_cfg=dict(
            nms_pre=30000,
            min_bbox_size=0,
            score_thr=0.001,
            nms=dict(type='nms', iou_threshold=0.65),
            max_per_img=300)))
