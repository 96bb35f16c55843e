_base_ = './rdn-base_faster-rcnn_r50-conv4-dc5-no-reduction_4xb1-120k_imagenetvid.py'
backbone = dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://detectron2/resnet101_caffe'))
model = dict(detector=dict(backbone=backbone, roi_head=dict(bbox_roi_extractor=backbone)))
