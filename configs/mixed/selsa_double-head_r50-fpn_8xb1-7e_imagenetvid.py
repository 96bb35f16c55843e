_base_ = [
    '../_base_/models/double-head_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_epochs.py',
    '../_base_/schedules/mmtracking_7e.py',
    '../_base_/epoch_runtime.py',
]
# The two layers that classify become an embedding and an aggregator; the convolutions stay.
roi_head = dict(
    type='TemporalDoubleHeadRoIHead',
    embedding=dict(
        type='RoIEmbedding', in_channels=256, roi_feat_size=7, out_channels=1024,
        activation=False),
    aggregator=dict(
        type='SELSAAggregator', channels=1024, num_heads=16, num_stages=2, reference_topk=300),
    bbox_head=dict(type='EmbeddingDoubleBBoxHead', embed_channels=1024))
_base_.model.detector.roi_head.bbox_head.pop('num_fcs')
_base_.model.detector.roi_head.bbox_head.pop('fc_out_channels')
model = dict(
    # The references of SELSA: a frame before and one after in training, 14 of the video in testing.
    references=dict(
        type='TrainTestReferences',
        training=dict(type='LocalWindow', radius=9, num_samples=2, bilateral=True),
        testing=dict(type='UniformStride', num_frames=14, append_key=True)),
    detector=dict(roi_head=roi_head))
