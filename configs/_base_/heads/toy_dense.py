# dense.py for the small dense detectors: towers of 64 channels, few objects.
_base_ = './dense.py'
selection = dict(min_objects=10, max_objects=40)
narrow = dict(
    selection=selection, feat_channels=128, embedding=dict(in_channels=128, out_channels=128))
selsa_head = dict(
    **narrow, aggregator=dict(channels=128, num_heads=4, reference_topk=15))
with_selsa = dict(references=dict(testing=dict(num_frames=8)))
yolov_head = dict(
    selection=dict(num_points=100, num_objects=20), aggregator=dict(channels=64), feat_channels=256)
with_yolov = dict(references=dict(num_frames=16, num_samples=5))
