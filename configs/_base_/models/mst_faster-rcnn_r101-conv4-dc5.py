# MST with R-101: against R-50 no reduction of channels.
_base_ = './mst_faster-rcnn_r50-conv4-dc5.py'
backbone = dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://detectron2/resnet101_caffe'))
roi_head = dict(
    bbox_roi_extractor=dict(out_channels=None, **backbone), embedding=dict(in_channels=2048))
model = dict(detector=dict(backbone=backbone, roi_head=roi_head))
