_base_ = './fgfa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid.py'
backbone = dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101'))
model = dict(detector=dict(backbone=backbone))
