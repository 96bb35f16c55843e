# R-FCN of STMN's program: RPN on conv4; dilated conv5, three convolutions (the third one becomes
# STMN's memory modules), a reduction to 512 channels, and position-sensitive maps of 7 x 7 bins.
# Published conventions as in faster-rcnn_r50-conv4-dc5.py: both corners belong to a box, frozen
# batch norm without epsilon, stride in the first 1 x 1 convolution, BGR without scaling.
frozen_bn = dict(type='BN', requires_grad=False, eps=0.)
inclusive_nms = dict(type='nms', offset=1)

model = dict(
    type='VideoDetector',
    data_preprocessor=dict(
        type='TrackDataPreprocessor',
        mean=[102.9801, 115.9465, 122.7717],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False),
    detector=dict(
        type='FasterRCNN',
        backbone=dict(
            type='ResNet',
            depth=50,
            num_stages=4,
            strides=(1, 2, 2, 1),
            dilations=(1, 1, 1, 2),
            out_indices=(2, 3),
            frozen_stages=1,
            norm_cfg=frozen_bn,
            norm_eval=True,
            style='caffe',
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe')),
        neck=dict(
            type='RFCNNeck', in_channels=2048, mid_channels=512, out_channels=1024, dilation=6),
        rpn_head=dict(
            type='FirstLevelRPNHead',
            in_channels=1024,
            feat_channels=512,
            anchor_generator=dict(
                type='RoundedAnchorGenerator',
                strides=[16],
                scales=[4, 8, 16, 32],
                ratios=[0.5, 1.0, 2.0]),
            bbox_coder=dict(type='InclusiveBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0 / 9, loss_weight=1.0)),
        roi_head=dict(
            type='RFCNRoIHead',
            in_channels=1024,
            bbox_roi_extractor=dict(type='PSRoIPool', grid_size=7, featmap_stride=16),
            bbox_head=dict(
                type='RFCNBBoxHead',
                in_channels=512,
                num_classes=30,
                grid_size=7,
                reg_class_agnostic=True,
                reg_background=True,
                bbox_coder=dict(type='InclusiveBoxCoder', target_stds=(0.1, 0.1, 0.2, 0.2)),
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0))),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.7,
                    neg_iou_thr=0.3,
                    min_pos_iou=0.3,
                    match_low_quality=True,
                    ignore_iof_thr=-1),
                sampler=dict(
                    type='RandomSampler',
                    num=256,
                    pos_fraction=0.5,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=False),
                allowed_border=0,
                pos_weight=-1,
                debug=False),
            rpn_proposal=dict(
                nms_pre=6000,
                max_per_img=300,
                nms=dict(iou_threshold=0.7, **inclusive_nms),
                min_bbox_size=-1),
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
            rpn=dict(
                nms_pre=6000,
                max_per_img=300,
                nms=dict(iou_threshold=0.7, **inclusive_nms),
                min_bbox_size=-1),
            rcnn=dict(
                score_thr=0.001,
                nms=dict(iou_threshold=0.5, **inclusive_nms),
                max_per_img=300))))
