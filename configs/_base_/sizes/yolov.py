# What the other published sizes change in YOLOV-s and YOLOV++-s.
_norm = dict(type='BN', momentum=0.03, eps=0.001)
_act = dict(type='Swish')
_neck = dict(use_depthwise=False, upsample_cfg=dict(scale_factor=2, mode='nearest'),
             norm_cfg=_norm, act_cfg=_act)
head_l = dict(
    base=dict(in_channels=256, feat_channels=256), aggregator=dict(channels=256),
    feat_channels=1024)
head_x = dict(
    base=dict(in_channels=320, feat_channels=320), aggregator=dict(channels=320),
    feat_channels=1280)
yolov_l = dict(
    detector=dict(
        backbone=dict(deepen_factor=1.0, widen_factor=1.0),
        neck=dict(in_channels=[256, 512, 1024], out_channels=256, num_csp_blocks=3),
        bbox_head=head_l))
yolov_x = dict(
    detector=dict(
        backbone=dict(deepen_factor=1.33, widen_factor=1.25),
        neck=dict(in_channels=[320, 640, 1280], out_channels=320, num_csp_blocks=4),
        bbox_head=head_x))
yolov_swin_t = dict(
    detector=dict(
        backbone=dict(
            _delete_=True, type='SwinTransformer', embed_dims=96, depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24], window_size=7, out_indices=(1, 2, 3), drop_path_rate=0.2),
        neck=dict(in_channels=[192, 384, 768], out_channels=256, num_csp_blocks=3),
        bbox_head=head_l))
yolov_swin_b = dict(
    detector=dict(
        backbone=dict(
            _delete_=True, type='SwinTransformer', embed_dims=128, depths=[2, 2, 18, 2],
            num_heads=[4, 8, 16, 32], window_size=12, out_indices=(1, 2, 3), drop_path_rate=0.2),
        neck=dict(
            _delete_=True, type='WideYOLOXPAFPN', backbone_channels=[256, 512, 1024],
            in_channels=[320, 640, 1280], out_channels=320, num_csp_blocks=4, **_neck),
        bbox_head=head_x))
