# FGFA on the maps of a pyramid of 256 channels: one flow, resized to every level. A config that
# has it beside a detector's base file joins the two:
#     model = _base_.temporal_parts
temporal_parts = dict(
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='LocalWindow', radius=9)),
    temporal_neck=dict(
        type='FGFANeck',
        channels=256,
        embed_layers=[(256, 3)],
        motion=dict(
            type='FlowNetSimple',
            input_mean=[0.411, 0.432, 0.450],
            init_cfg=dict(
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'))))
