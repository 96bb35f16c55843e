# Fast R-CNN with VGG-16 on precomputed proposals, STMN's second setting. Conv5_3 is the neck: its
# 512 filters become STMN's memory modules, 256 for each direction. Weights and preprocessing
# (RGB, no scaling) are those of mmdet's Caffe VGG-16; fc6 and fc7 come from it if it has them.
pretrained = 'open-mmlab://vgg16_caffe'
inclusive_nms = dict(type='nms', offset=1)

model = dict(
    type='VideoDetector',
    data_preprocessor=dict(
        type='TrackDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=True),
    detector=dict(
        type='FastRCNN',
        backbone=dict(
            type='VGG16',
            frozen_stages=2,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
        neck=dict(
            type='VGGNeck',
            in_channels=512,
            out_channels=512,
            init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
        roi_head=dict(
            type='StandardRoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                # mmcv's RoIPool needs a GPU; on a CPU take
                # dict(type='RoIAlign', output_size=7, sampling_ratio=0)
                roi_layer=dict(type='RoIPool', output_size=7),
                out_channels=512,
                featmap_strides=[16]),
            bbox_head=dict(
                type='VGGBBoxHead',
                in_channels=512,
                fc_out_channels=4096,
                dropout=0.5,
                roi_feat_size=7,
                num_classes=30,
                reg_class_agnostic=False,
                bbox_coder=dict(type='InclusiveBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2)),
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
                init_cfg=dict(type='Pretrained', checkpoint=pretrained))),
        train_cfg=dict(
            rcnn=dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.5,
                    min_pos_iou=0.5,
                    match_low_quality=False,
                    ignore_iof_thr=-1),
                sampler=dict(
                    type='RandomSampler',
                    num=128,
                    pos_fraction=0.25,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=True),
                pos_weight=-1,
                debug=False)),
        test_cfg=dict(
            rcnn=dict(
                score_thr=0.001,
                nms=dict(iou_threshold=0.5, **inclusive_nms),
                max_per_img=300))))
