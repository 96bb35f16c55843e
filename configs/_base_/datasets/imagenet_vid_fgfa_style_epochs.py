"""The same data by epochs: each key frame once in an epoch, shared among the processes."""

_base_ = './imagenet_vid_fgfa_style.py'

train_dataloader = dict(sampler=dict(type='VideoKeyFrameSampler'))
