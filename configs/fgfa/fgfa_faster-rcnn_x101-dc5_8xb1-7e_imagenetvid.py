_base_ = './fgfa_faster-rcnn_r101-dc5_8xb1-7e_imagenetvid.py'
# ResNeXt-101, 64 groups of width 4.
backbone = dict(type='ResNeXt', groups=64, base_width=4,
                init_cfg=dict(checkpoint='open-mmlab://resnext101_64x4d'))
model = dict(detector=dict(backbone=backbone))
