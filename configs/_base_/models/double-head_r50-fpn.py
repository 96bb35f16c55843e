# mmdet's Double-Head R-CNN, R-50 and FPN: linear layers classify, convolutions localise.
_base_ = ['./faster-rcnn_r50-fpn.py']

model = dict(
    detector=dict(
        roi_head=dict(
            type='DoubleHeadRoIHead',
            reg_roi_scale_factor=1.3,
            bbox_head=dict(
                type='DoubleConvFCBBoxHead',
                num_convs=4,
                num_fcs=2,
                conv_out_channels=1024,
                loss_cls=dict(loss_weight=2.0),
                loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0, loss_weight=2.0)))))
