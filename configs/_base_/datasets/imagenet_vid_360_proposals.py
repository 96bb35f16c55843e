# ImageNet VID + DET at STMN's scale with precomputed proposals for every frame that is used.
# docs/dataset_prepare.md describes the files and how to write them.
_base_ = './imagenet_vid_fgfa_style.py'
scale = (600, 360)
load = dict(type='LoadFrameProposals', num_max_proposals=2000)
unflipped = [
    dict(type='LoadVideoFrame', unreadable='skip'),
    load,
    dict(type='LoadTrackAnnotations'),
    dict(type='Resize', scale=scale, keep_ratio=True),
]
train_pipeline = [
    dict(type='SampleReferenceFrames'),
    dict(type='ClipTransform', transforms=[*unflipped, dict(type='RandomFlip', prob=0.5)]),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(
        type='ClipTransform',
        transforms=[
            dict(type='LoadVideoFrame', unreadable='blank'),
            load,
            dict(type='Resize', scale=scale, keep_ratio=True),
        ]),
    dict(type='PackVideoInputs'),
]
train_dataloader = dict(
    dataset=dict(
        pipeline=train_pipeline,
        datasets=[
            dict(_base_.vid_train, proposal_file='proposals/imagenet_vid_train.npz'),
            dict(_base_.det, proposal_file='proposals/imagenet_det_30plus1cls.npz'),
        ]))
val_dataloader = dict(
    dataset=dict(pipeline=test_pipeline, proposal_file='proposals/imagenet_vid_val.npz'))
test_dataloader = val_dataloader
