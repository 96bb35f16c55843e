"""ImageNet VID + DET as FGFA, RDN and MEGA train on them.

Annotated key frames of VID and still images of DET, all drawn alike; references come from the
whole video. BGR or RGB is the business of the model's data_preprocessor.

`model.references` is the only place of a config that names the reference policy: `VideoRunner`
fills it into `SampleReferenceFrames` and `VideoStreamSampler`.
"""

dataset_type = 'ImageNetVIDDataset'
data_root = 'data/ILSVRC/'
scale = (1000, 600)

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

vid_train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='annotations/imagenet_vid_train.json',
    data_prefix=dict(img_path='Data/VID'))
det = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='annotations/imagenet_det_30plus1cls.json',
    data_prefix=dict(img_path='Data/DET'))

train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteVideoKeyFrameSampler'),
    batch_sampler=None,
    dataset=dict(
        type='ConcatVideoDataset',
        pipeline=train_pipeline,
        datasets=[vid_train, det]))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='VideoStreamSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/imagenet_vid_val.json',
        data_prefix=dict(img_path='Data/VID'),
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='ImageNetVIDMetric', ann_file=data_root + 'annotations/imagenet_vid_val.json')
test_evaluator = val_evaluator
