"""UAVDT with car, truck and bus; every frame of the 30 training videos is a key frame.

Frames are loaded as those of ImageNet VID: MST's authors, who publish results on both, name no
other setting. AP at IoU 0.7 is UAVDT's number, those at 0.5 are VOC's and COCO's.
"""
_base_ = './imagenet_vid_fgfa_style.py'
dataset_type = 'UAVDTDataset'
data_root = 'data/UAVDT/'
vid_train = det = None

data = dict(
    type=dataset_type, data_root=data_root, data_prefix=dict(img_path='UAV-benchmark-M'))
train_dataloader = dict(
    dataset=dict(
        data,
        _delete_=True,
        ann_file='annotations/uavdt_train.json',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        data,
        _delete_=True,
        ann_file='annotations/uavdt_test.json',
        pipeline=_base_.test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    ann_file=data_root + 'annotations/uavdt_test.json', protocols=['uavdt', 'voc', 'coco'])
test_evaluator = val_evaluator
