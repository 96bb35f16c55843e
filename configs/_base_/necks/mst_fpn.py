# MST on the pyramid levels of stride 16 and 32 (conv4's is 16), with weights that both share; the
# second pair of DAlign's layers is as wide as the maps and starts as the identity.
#     model = _base_.temporal_parts
temporal_parts = dict(
    references=dict(
        type='LocalWindow', radius=18, num_samples=2, sample_key=True, outside='cut'),
    temporal_neck=dict(
        type='MSTNeck',
        channels=256,
        dalign=dict(predict_channels=44, apply_channels=256),
        attention=dict(num_heads=8, reduction=1),
        queries='all'))
