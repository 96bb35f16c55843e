# ImageNet VID + DET at STMN's scale: a short side of 360, a long one of 600 at most.
_base_ = './imagenet_vid_fgfa_style.py'
scale = (600, 360)
train_pipeline = [
    dict(type='SampleReferenceFrames'),
    dict(
        type='ClipTransform',
        transforms=[
            dict(type='LoadVideoFrame', unreadable='skip'),
            dict(type='LoadTrackAnnotations'),
            dict(type='Resize', scale=scale, keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
        ]),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(
        type='ClipTransform',
        transforms=[
            dict(type='LoadVideoFrame', unreadable='blank'),
            dict(type='Resize', scale=scale, keep_ratio=True),
        ]),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
