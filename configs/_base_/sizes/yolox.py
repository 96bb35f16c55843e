# What the other sizes change in YOLOX-s: depth and width, or a Swin Transformer.
yolox_l = dict(
    detector=dict(
        backbone=dict(deepen_factor=1.0, widen_factor=1.0),
        neck=dict(in_channels=[256, 512, 1024], out_channels=256, num_csp_blocks=3),
        bbox_head=dict(in_channels=256, feat_channels=256)))
yolox_x = dict(
    detector=dict(
        backbone=dict(deepen_factor=1.33, widen_factor=1.25),
        neck=dict(in_channels=[320, 640, 1280], out_channels=320, num_csp_blocks=4),
        bbox_head=dict(in_channels=320, feat_channels=320)))
swin_t = dict(
    _delete_=True,
    type='SwinTransformer',
    embed_dims=96,
    depths=[2, 2, 6, 2],
    num_heads=[3, 6, 12, 24],
    window_size=7,
    out_indices=(1, 2, 3),
    drop_path_rate=0.2)
yolox_swin_t = dict(
    detector=dict(
        backbone=swin_t,
        neck=dict(in_channels=[192, 384, 768], out_channels=256, num_csp_blocks=3),
        bbox_head=dict(in_channels=256, feat_channels=256)))
# The pyramid is that of size x, on a backbone that is narrower.
yolox_swin_b = dict(
    detector=dict(
        backbone=dict(
            swin_t, embed_dims=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32],
            window_size=12),
        neck=dict(
            type='WideYOLOXPAFPN', backbone_channels=[256, 512, 1024],
            in_channels=[320, 640, 1280], out_channels=320, num_csp_blocks=4),
        bbox_head=dict(in_channels=320, feat_channels=320)))
yolox_focal_l = dict(
    detector=dict(
        backbone=dict(
            _delete_=True, type='FocalNet', embed_dims=192, depths=[2, 2, 18, 2], num_levels=4,
            out_indices=(1, 2, 3), drop_path_rate=0.3),
        neck=dict(in_channels=[384, 768, 1536], out_channels=256, num_csp_blocks=3),
        bbox_head=dict(in_channels=256, feat_channels=256)))
