_base_ = './rfcn_r50.py'
model = dict(
    detector=dict(
        backbone=dict(
            depth=101, init_cfg=dict(checkpoint='open-mmlab://detectron2/resnet101_caffe'))))
