# MST before the RPN of the small detector: levels of stride 4 to 16, whence its boxes are pooled,
# 9 frames. DAlign's second pair of layers has the width of the maps: it starts as the identity.
# A config that has it beside a detector's base file joins the two:
#     model = _base_.temporal_parts
temporal_parts = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck']),
    references=dict(
        type='LocalWindow', radius=4, num_samples=2, sample_key=True, outside='cut'),
    temporal_neck=dict(
        type='MSTNeck',
        channels=32,
        levels=(0, 1, 2),
        dalign=dict(predict_channels=16, apply_channels=32),
        attention=dict(num_heads=2, reduction=4)))
