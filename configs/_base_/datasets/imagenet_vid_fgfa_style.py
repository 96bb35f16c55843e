"""ImageNet VID + DET as FGFA, RDN and MEGA train on them.

Annotated key frames of VID and still images of DET, all drawn alike; references come from the
whole video. BGR or RGB is the business of the model's data_preprocessor.

The reference policy stands in four places of a config, which CheckReferencesHook compares. The
base file of a model names it `references`; a config that combines both spreads it:

    _base_ = ['../_base_/models/mega_...py', '../_base_/datasets/imagenet_vid_fgfa_style.py', ...]
    _base_.train_dataloader.dataset.pipeline[0].references = _base_.references
    _base_.val_dataloader.sampler.references = _base_.references
    _base_.test_dataloader.sampler.references = _base_.references

and a variant of that config changes it everywhere:

    _base_ = './that_config.py'
    references = _base_.references
    references.policies[0].radius = 6  # or, another one: references = _base_.references = dict(...)
    _base_.model.references = references
    _base_.train_dataloader.dataset.pipeline[0].references = references
    _base_.val_dataloader.sampler.references = references
    _base_.test_dataloader.sampler.references = references

(mmengine does not carry a changed variable of a base file to the places where that file used
it; an assignment to a part of `_base_` does change the inherited config.) A detector of single
frames leaves them all None.
"""

dataset_type = 'ImageNetVIDDataset'
data_root = 'data/ILSVRC/'
scale = (1000, 600)

train_pipeline = [
    dict(type='SampleReferenceFrames', references=None),
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
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteVideoKeyFrameSampler'),
    batch_sampler=None,
    dataset=dict(
        type='ConcatVideoDataset',
        pipeline=train_pipeline,
        datasets=[
            dict(
                type=dataset_type,
                data_root=data_root,
                ann_file='annotations/imagenet_vid_train.json',
                data_prefix=dict(img_path='Data/VID')),
            dict(
                type=dataset_type,
                data_root=data_root,
                ann_file='annotations/imagenet_det_30plus1cls.json',
                data_prefix=dict(img_path='Data/DET')),
        ]))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='VideoStreamSampler', references=None),
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
