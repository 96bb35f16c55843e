_base_ = './ogemn_rfcn_r101_1xb1-10k_imagenetvid.py'
# Table 2: one frame in 5 whole and remembered, 1/4 of the size in between. Trained as its base.
model = dict(references=dict(
    _delete_=True, type='TrainTestReferences', training=_base_.model.references,
    testing=dict(type='ScaledKeyFrames', interval=5, scale=1 / 4)))
