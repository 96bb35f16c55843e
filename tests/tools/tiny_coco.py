"""A tiny still-image set and a tiny stock detector, for tests that run the real commands."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

NUM_IMAGES, SIZE = 6, 64

CONFIG = """
_base_ = {bases!r}
default_scope = 'mmdet'
custom_imports = dict(imports=['mmvod_plugins'], allow_failed_imports=False)
scale = (64, 64)
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor')),
]
dataset = dict(type='CocoDataset', data_root={root!r}, ann_file='coco.json',
               data_prefix=dict(img=''), metainfo=dict(classes=('thing', )), pipeline=pipeline)
loader = dict(batch_size=1, num_workers=0, dataset=dataset)
train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=True), **loader)
val_dataloader = dict(
    batch_size=1, num_workers=0, dataset=dict(test_mode=True, **dataset),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file={root!r} + '/coco.json', metric='bbox')
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs}, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
auto_scale_lr = dict(enable=False, base_batch_size=1)
randomness = dict(seed=0)
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3,
                           pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=18, base_channels=8, num_stages=4, out_indices=(2, 3),
                  norm_cfg=dict(type='BN', requires_grad=True), style='pytorch'),
    neck=dict(type='FPN', in_channels=[32, 64], out_channels=16, num_outs=2),
    bbox_head=dict(
        type='RetinaHead', num_classes=1, in_channels=16, feat_channels=16, stacked_convs=1,
        anchor_generator=dict(type='AnchorGenerator', scales=[2], ratios=[1.0], strides=[16, 32]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(nms_pre=50, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms',
                  iou_threshold=0.5), max_per_img=20))
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
"""


def write_images(folder: Path) -> None:
    """Write ``coco.json`` and its images: one bright square per image."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(NUM_IMAGES):
        x, y = (int(value) for value in rng.integers(0, SIZE - 32, size=2))
        pixels = rng.integers(0, 80, size=(SIZE, SIZE, 3), dtype=np.uint8)
        pixels[y:y + 32, x:x + 32] += 150
        Image.fromarray(pixels).save(folder / f'{number}.png')
        images.append({'id': number, 'file_name': f'{number}.png', 'height': SIZE, 'width': SIZE})
        annotations.append({'id': number + 1, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                            'bbox': [x, y, 32, 32], 'area': 32 * 32})
    coco = {'images': images, 'annotations': annotations,
            'categories': [{'id': 1, 'name': 'thing'}]}
    (folder / 'coco.json').write_text(json.dumps(coco))


def write_config(path: Path, root: Path, bases: list[str], epochs: int = 1) -> None:
    """Write a config that trains a tiny RetinaNet on the images of ``root``."""
    path.write_text(CONFIG.format(bases=bases, root=str(root), epochs=epochs))
