"""ImageNet VID as YOLOV trains on it: groups of frames of a video, letterboxed to 576 x 576.

The published program flips every frame of a group by itself; here a clip shares its draws.
"""

dataset_type = 'ImageNetVIDDataset'
data_root = 'data/ILSVRC/'
scale = (576, 576)
grey = dict(img=(114.0, 114.0, 114.0))

train_pipeline = [
    dict(type='SampleReferenceFrames'),
    dict(
        type='ClipTransform',
        transforms=[
            dict(type='LoadVideoFrame', unreadable='skip'),
            dict(type='LoadTrackAnnotations'),
            dict(type='YOLOXHSVRandomAug'),
            dict(type='TruncatingResize', scale=scale),
            dict(type='Pad', size=scale, pad_val=grey),
            dict(type='RandomFlip', prob=0.5),
        ]),
    dict(type='PackVideoInputs'),
]
test_pipeline = [
    dict(
        type='ClipTransform',
        transforms=[
            dict(type='LoadVideoFrame', unreadable='blank'),
            dict(type='TruncatingResize', scale=scale),
            dict(type='Pad', size=scale, pad_val=grey),
        ]),
    dict(type='PackVideoInputs'),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteVideoKeyFrameSampler'),
    batch_sampler=None,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/imagenet_vid_train.json',
        data_prefix=dict(img_path='Data/VID'),
        key_frames='all',
        pipeline=train_pipeline))
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
