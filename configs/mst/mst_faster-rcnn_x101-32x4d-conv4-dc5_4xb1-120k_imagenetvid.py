_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# 84.3 mAP (table 1). PyTorch's weights: scaled RGB, stride in the 3 x 3, batch norm with epsilon.
backbone = dict(groups=32, base_width=4, style='pytorch', norm_cfg=dict(eps=1e-5),
                init_cfg=dict(checkpoint='open-mmlab://resnext101_32x4d'))
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
                           bgr_to_rgb=True),
    detector=dict(backbone=dict(type='ResNeXt', **backbone),
                  roi_head=dict(bbox_roi_extractor=backbone)))
