"""ToyVID, the synthetic data set of tools/dataset_converters/make_toy_vid.py.

The classes come from the json.
"""

dataset_type = 'CocoVIDDataset'
data_root = 'data/toy_vid/'
scale = (160, 128)

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

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteVideoKeyFrameSampler'),
    batch_sampler=None,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/toy_vid_train.json',
        data_prefix=dict(img_path='Data/VID'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='VideoStreamSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/toy_vid_val.json',
        data_prefix=dict(img_path='Data/VID'),
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='ImageNetVIDMetric', ann_file=data_root + 'annotations/toy_vid_val.json')
test_evaluator = val_evaluator
