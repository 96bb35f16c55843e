# The program's factor of the feature convolutions, which the paper does not mention.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
model = dict(temporal_neck=dict(cell=dict(mult_after_w=20.0)))
