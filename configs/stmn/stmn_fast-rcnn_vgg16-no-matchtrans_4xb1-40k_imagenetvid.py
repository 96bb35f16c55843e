# STMN No-MatchTrans of Table 2.
_base_ = './stmn_fast-rcnn_vgg16-no-flip_4xb1-40k_imagenetvid.py'
model = dict(temporal_neck=dict(cell=dict(alignment=None)))
