# mmdet's Cascade R-CNN with R-50 and FPN: three stages for boxes of IoU 0.5, 0.6 and 0.7.
_base_ = ['./faster-rcnn_r50-fpn.py']

model = dict(
    detector=dict(
        type='CascadeRCNN',
        rpn_head=dict(
            loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0 / 9, loss_weight=1.0)),
        roi_head=dict(
            type='CascadeRoIHead',
            num_stages=3,
            stage_loss_weights=[1, 0.5, 0.25],
            bbox_head=[
                dict(
                    type='Shared2FCBBoxHead',
                    in_channels=256,
                    fc_out_channels=1024,
                    roi_feat_size=7,
                    num_classes=30,
                    bbox_coder=dict(
                        type='DeltaXYWHBBoxCoder',
                        target_means=[0.0, 0.0, 0.0, 0.0],
                        target_stds=stds),
                    reg_class_agnostic=True,
                    loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                    loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0))
                for stds in ([0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1],
                             [0.033, 0.033, 0.067, 0.067])
            ]),
        train_cfg=dict(
            rcnn=[
                dict(
                    assigner=dict(
                        type='MaxIoUAssigner',
                        pos_iou_thr=iou,
                        neg_iou_thr=iou,
                        min_pos_iou=iou,
                        match_low_quality=False,
                        ignore_iof_thr=-1),
                    sampler=dict(
                        type='RandomSampler',
                        num=256,
                        pos_fraction=0.25,
                        neg_pos_ub=-1,
                        add_gt_as_proposals=True),
                    pos_weight=-1,
                    debug=False) for iou in (0.5, 0.6, 0.7)
            ])))
