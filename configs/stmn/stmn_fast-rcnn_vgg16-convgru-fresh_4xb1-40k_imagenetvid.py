_base_ = './stmn_fast-rcnn_vgg16-convgru_4xb1-40k_imagenetvid.py'
# ConvGRU FreshFC of Table 2: backbone from the static detector, everything after it fresh.
static, load_from = _base_.load_from, None
model = dict(detector=dict(
    backbone=dict(init_cfg=dict(prefix='detector.backbone.', checkpoint=static)),
    roi_head=dict(bbox_head=dict(init_cfg=None))))
