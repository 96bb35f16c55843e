# ConvGRU Pretrain of Table 2: the head starts from the static detector.
_base_ = './stmn_fast-rcnn_vgg16-no-flip_4xb1-40k_imagenetvid.py'
model = dict(temporal_neck=dict(cell=dict(_delete_=True, type='ConvGRUCell')))
