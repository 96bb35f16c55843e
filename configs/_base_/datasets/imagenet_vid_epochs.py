# ImageNet VID + DET for training by epochs: each key frame once in an epoch.
_base_ = './imagenet_vid_fgfa_style.py'
train_dataloader = dict(sampler=dict(type='VideoKeyFrameSampler'))
