# Temporal heads around a stock dense head with towers of 128 channels, on a frozen detector. They
# start at its scores (`residual`), so that training cannot make it worse at first.
#   model = dict(type='VideoDetector', detector=DETECTOR, **_base_.with_selsa)
# with DETECTOR.bbox_head = dict(_base_.selsa_head, base=DETECTOR.bbox_head).
channels = 256
embedding = dict(
    type='RoIEmbedding', in_channels=256, roi_feat_size=1, out_channels=channels)
frozen = dict(names=['detector.backbone', 'detector.neck', 'detector.bbox_head.base'])
head = dict(
    type='TemporalDenseHead',
    selection=dict(type='ScoreThreshold', score_thr=0.001, min_objects=30, max_objects=150),
    embedding=embedding,
    feat_channels=channels,
    residual=True)

selsa_head = dict(
    head,
    embedding=dict(embedding, activation=False),
    aggregator=dict(
        type='SELSAAggregator', channels=channels, num_heads=8, num_stages=2, reference_topk=75))
with_selsa = dict(
    frozen=frozen,
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=14, append_key=True)))

# YOLOV's aggregation: few points without duplicates, of groups of frames of the whole video; its
# losses; new layers that start anew (no `residual`). docs/mixing.md has what these three are worth.
yolov_head = dict(
    type='TemporalDenseHead',
    selection=dict(type='TopObjectness', num_points=750, iou_threshold=0.75, num_objects=30),
    aggregator=dict(type='YOLOVAggregator', channels=128, num_heads=4, form='2022'),
    video_convs=2,
    feat_channels=4 * 128,
    losses=dict(classes_of='overlapping', overlap=0.6, cls_weight=2.0))
with_yolov = dict(
    frozen=frozen, references=dict(type='ShuffledGroups', num_frames=32, num_samples=15))

mega_head = dict(
    head,
    aggregator=dict(
        type='MEGAAggregator', channels=channels, num_heads=8, num_local_stages=3,
        num_global_stages=1, reference_topk=75, distilled_topk=15, memory_size=25))
with_mega = dict(
    frozen=frozen,
    references=dict(
        type='ComposedReferences',
        policies=dict(
            local=dict(type='LocalWindow', radius=12, num_samples=2, sample_key=True),
            memory=dict(type='PrecedingWindow', distance=25, radius=12, num_samples=3),
            global_=dict(type='GlobalShuffle', num_frames=10, num_samples=2))))
