# OGEMN's instance memory in Faster R-CNN with FPN: between the two shared layers of the RoI head,
# which become the embedding, and its last ones.
_base_ = './faster-rcnn_r50-fpn.py'
roi_head = dict(
    type='TemporalRoIHead',
    embedding=dict(type='RoIEmbedding', in_channels=256, roi_feat_size=7, out_channels=1024),
    aggregator=dict(
        type='OGEMNAggregator', channels=1024, num_heads=8, embed_channels=32, reference_topk=300),
    bbox_head=dict(type='BBoxHead', in_channels=1024, roi_feat_size=1))
# BBoxHead has no layers of its own but the last ones.
_base_.model.detector.roi_head.bbox_head.pop('fc_out_channels')
model = dict(
    references=dict(type='PrecedingIntervals', num_samples=3, max_interval=20),
    detector=dict(roi_head=roi_head))
