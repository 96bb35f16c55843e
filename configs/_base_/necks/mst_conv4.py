# MST before the RPN on conv4: 37 frames at most, alignment by a bottleneck of 44 channels. A config
# that has it beside a detector's base file joins the two:
#     model = _base_.temporal_parts
temporal_parts = dict(
    references=dict(
        type='LocalWindow', radius=18, num_samples=2, sample_key=True, outside='cut'),
    temporal_neck=dict(
        type='MSTNeck',
        channels=1024,
        dalign=dict(predict_channels=44, apply_channels=44),
        attention=dict(num_heads=16, reduction=1),
        queries='all'))
