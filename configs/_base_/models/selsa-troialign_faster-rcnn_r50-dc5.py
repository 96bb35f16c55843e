# The key frame's RoI features are aligned with all reference maps; SELSA has a third shared layer.
_base_ = ['./selsa_faster-rcnn_r50-dc5.py']

model = dict(
    detector=dict(
        roi_head=dict(
            temporal_roi_align=dict(
                type='TemporalRoIAlign', channels=512, num_points=2, num_heads=4),
            aggregator=dict(num_stages=3))))
