# A small R-FCN for ToyVID: a narrow R-18 with conv4 and conv5 at stride 8, trained from scratch.
# The neck and head have the layers of rfcn_r101.py.
_base_ = ['./toy_faster-rcnn_r18-fpn.py']

model = dict(
    data_preprocessor=dict(pad_size_divisor=8),
    detector=dict(
        backbone=dict(
            strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), out_indices=(2, 3)),
        neck=dict(
            _delete_=True,
            type='RFCNNeck',
            in_channels=128,
            mid_channels=128,
            out_channels=128,
            dilation=2),
        rpn_head=dict(
            type='FirstLevelRPNHead',
            in_channels=64,
            feat_channels=64,
            anchor_generator=dict(
                type='AnchorGenerator', scales=[2, 4, 8], ratios=[1.0], strides=[8])),
        roi_head=dict(
            _delete_=True,
            type='RFCNRoIHead',
            in_channels=128,
            bbox_roi_extractor=dict(type='PSRoIPool', grid_size=3, featmap_stride=8),
            bbox_head=dict(
                type='RFCNBBoxHead',
                in_channels=128,
                num_classes=12,
                grid_size=3,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=[0.1, 0.1, 0.2, 0.2]),
                reg_class_agnostic=True,
                loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='L1Loss', loss_weight=1.0)))))
