"""Small detectors of every family, made of mmdet's own configs."""

import copy
from functools import partial

import torch
from mmdet.models.layers.transformer import dino_layers
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

PREPROCESSOR = dict(type='DetDataPreprocessor', mean=[110.0] * 3, std=[60.0] * 3, bgr_to_rgb=True,
                    pad_size_divisor=32)
BACKBONE = dict(type='ResNet', depth=18, base_channels=8, num_stages=4, out_indices=(1, 2, 3),
                frozen_stages=-1)
CHANNELS = [16, 32, 64]
WIDTH = 16
# mmdet 3.3.0 embeds boxes for a DINO of 256 channels; later versions name the width in the call
dino_layers.coordinate_to_encoding = partial(
    dino_layers.coordinate_to_encoding, num_feats=WIDTH // 2)
NMS = dict(nms_pre=60, min_bbox_size=0, score_thr=0.005, nms=dict(type='nms', iou_threshold=0.5),
           max_per_img=20)
ANCHORS = dict(type='AnchorGenerator', ratios=[1.0], octave_base_scale=4, scales_per_octave=1,
               strides=[8, 16, 32])
FPN = dict(type='FPN', in_channels=CHANNELS, out_channels=WIDTH, num_outs=3)
ASSIGNER = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                ignore_iof_thr=-1)

RETINANET = dict(
    type='RetinaNet', data_preprocessor=PREPROCESSOR, backbone=BACKBONE, neck=FPN,
    bbox_head=dict(type='RetinaHead', num_classes=4, in_channels=WIDTH, stacked_convs=1,
                   feat_channels=WIDTH, anchor_generator=ANCHORS),
    train_cfg=dict(assigner=ASSIGNER, sampler=dict(type='PseudoSampler'), allowed_border=-1,
                   pos_weight=-1, debug=False),
    test_cfg=NMS)
ATSS = dict(
    RETINANET, type='ATSS',
    bbox_head=dict(type='ATSSHead', num_classes=4, in_channels=WIDTH, stacked_convs=1,
                   feat_channels=WIDTH, anchor_generator=dict(ANCHORS, octave_base_scale=8),
                   norm_cfg=dict(type='GN', num_groups=4),
                   loss_bbox=dict(type='GIoULoss', loss_weight=2.0)),
    train_cfg=dict(assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1,
                   debug=False))
YOLOX = dict(
    type='YOLOX', data_preprocessor=PREPROCESSOR, backbone=BACKBONE, neck=FPN,
    bbox_head=dict(type='YOLOXHead', num_classes=4, in_channels=WIDTH, feat_channels=WIDTH,
                   stacked_convs=1),
    train_cfg=dict(assigner=dict(type='SimOTAAssigner', center_radius=2.5)),
    test_cfg=dict(score_thr=1e-6, nms=dict(type='nms', iou_threshold=0.65)))
RTMDET = dict(
    type='RTMDet', data_preprocessor=PREPROCESSOR, backbone=BACKBONE, neck=FPN,
    bbox_head=dict(
        type='RTMDetSepBNHead', num_classes=4, in_channels=WIDTH, stacked_convs=1,
        feat_channels=WIDTH, anchor_generator=dict(type='MlvlPointGenerator', offset=0,
                                                   strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0), with_objectness=False, exp_on_reg=False,
        share_conv=True, pred_kernel_size=1, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU')),
    train_cfg=dict(assigner=dict(type='DynamicSoftLabelAssigner', topk=13), allowed_border=-1,
                   pos_weight=-1, debug=False),
    test_cfg=NMS)

ATTENTION = dict(embed_dims=WIDTH, num_levels=3, num_heads=2, dropout=0.0)
FFN = dict(embed_dims=WIDTH, feedforward_channels=32, ffn_drop=0.0)
QUERY_LOSSES = dict(
    loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0),
    loss_bbox=dict(type='L1Loss', loss_weight=5.0), loss_iou=dict(type='GIoULoss', loss_weight=2.0))
QUERY_ASSIGNER = dict(assigner=dict(type='HungarianAssigner', match_costs=[
    dict(type='FocalLossCost', weight=2.0),
    dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
    dict(type='IoUCost', iou_mode='giou', weight=2.0)]))
MAPPER = dict(type='ChannelMapper', in_channels=CHANNELS, kernel_size=1, out_channels=WIDTH,
              act_cfg=None, norm_cfg=dict(type='GN', num_groups=4), num_outs=3)
DEFORMABLE_DETR = dict(
    type='DeformableDETR', data_preprocessor=PREPROCESSOR, backbone=BACKBONE, neck=MAPPER,
    num_queries=12, num_feature_levels=3, with_box_refine=True, as_two_stage=False,
    encoder=dict(num_layers=1, layer_cfg=dict(
        self_attn_cfg=dict(ATTENTION, batch_first=True), ffn_cfg=FFN)),
    decoder=dict(num_layers=2, return_intermediate=True, layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=WIDTH, num_heads=2, dropout=0.0, batch_first=True),
        cross_attn_cfg=dict(ATTENTION, batch_first=True), ffn_cfg=FFN), post_norm_cfg=None),
    positional_encoding=dict(num_feats=WIDTH // 2, normalize=True, offset=-0.5),
    bbox_head=dict(type='DeformableDETRHead', num_classes=4, sync_cls_avg_factor=True,
                   embed_dims=WIDTH, **QUERY_LOSSES),
    train_cfg=QUERY_ASSIGNER, test_cfg=dict(max_per_img=10))
DINO = dict(
    DEFORMABLE_DETR, type='DINO', as_two_stage=True,
    positional_encoding=dict(num_feats=WIDTH // 2, normalize=True, offset=0.0, temperature=20),
    bbox_head=dict(type='DINOHead', num_classes=4, sync_cls_avg_factor=True, embed_dims=WIDTH,
                   **QUERY_LOSSES),
    dn_cfg=dict(label_noise_scale=0.5, box_noise_scale=1.0,
                group_cfg=dict(dynamic=True, num_groups=None, num_dn_queries=6)))
DETECTORS = dict(retinanet=RETINANET, atss=ATSS, yolox=YOLOX, rtmdet=RTMDET,
                 deformable_detr=DEFORMABLE_DETR, dino=DINO)


def detector_of(name, **head):
    """Config of a small detector; ``head`` changes its head."""
    config = ConfigDict(copy.deepcopy(DETECTORS[name]))
    config.bbox_head.update(head)
    return config


def video_model(detector, seed=0, **settings):
    """A video detector with weights that are large enough for references to matter."""
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(type='VideoDetector', detector=detector, **settings))
    model.init_weights()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and 'backbone' not in name:
            small = any(part in name for part in ('_reg.', 'predict_flow', 'reg_branches'))
            torch.nn.init.normal_(parameter, std=(0.1 if small else 1.0)
                                  / parameter[0].numel()**0.5)
    return model.eval()
