# Forward in time alone; while testing the memory goes from frame to frame of each sequence.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
model = dict(
    references=dict(_delete_=True, type='TrainTestReferences', training=_base_.model.references,
                    testing=dict(type='KeyFrameOnly')),
    temporal_neck=dict(bidirectional=False, channels=1024, stride=10))
