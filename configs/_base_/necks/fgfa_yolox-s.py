# FGFA on the maps of YOLOX-s: 128 channels; the detector gets BGR in 0..255, the flow network RGB.
_base_ = './fgfa_fpn.py'

temporal_parts = dict(temporal_neck=dict(
    channels=128,
    embed_layers=[(128, 3)],
    motion=dict(
        img_norm=dict(
            mean=[0.0] * 3,
            std=[1.0] * 3,
            input_mean=[0.411, 0.432, 0.450],
            flip_channels=True))))
