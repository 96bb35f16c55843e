# STMN of Table 2: the ablations have no flips.
_base_ = './stmn_fast-rcnn_vgg16_4xb1-40k_imagenetvid.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='SampleReferenceFrames'),
    dict(type='ClipTransform', transforms=_base_.unflipped),
    dict(type='PackVideoInputs'),
]))
