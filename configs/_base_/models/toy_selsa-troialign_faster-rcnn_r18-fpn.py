# Temporal RoI Align on the small detector: a RoI looks at its own level of the reference pyramids.
_base_ = ['./toy_selsa_faster-rcnn_r18-fpn.py']

model = dict(
    detector=dict(
        roi_head=dict(
            temporal_roi_align=dict(
                type='TemporalRoIAlign', channels=32, num_points=2, num_heads=4))))
