_base_ = './rfcn_r101_4xb1-120k_imagenetvid.py'
# Online hard example mining: of the 300 proposals those with the largest classification loss.
model = dict(detector=dict(train_cfg=dict(rcnn=dict(sampler=dict(type='OHEMSampler')))))
