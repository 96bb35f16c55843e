_base_ = [
    '../_base_/models/faster-rcnn_r50-fpn.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
# The stock RoI head's two shared layers become an embedding and the aggregator.
roi_head = dict(
    type='TemporalRoIHead',
    embedding=dict(type='RoIEmbedding', in_channels=256, roi_feat_size=7, out_channels=1024),
    aggregator=dict(
        type='MEGAAggregator',
        channels=1024,
        num_heads=16,
        num_global_stages=1,
        num_local_stages=3,
        reference_topk=75,
        distilled_topk=15,
        memory_size=25),
    bbox_head=dict(type='BBoxHead', in_channels=1024, roi_feat_size=1))
# BBoxHead has no layers of its own but the last ones.
_base_.model.detector.roi_head.bbox_head.pop('fc_out_channels')
model = dict(
    # The references of MEGA: a window, the frames before it in training, frames of the whole video.
    references=dict(
        type='ComposedReferences',
        policies=dict(
            local=dict(type='LocalWindow', radius=12, num_samples=2, sample_key=True),
            memory=dict(type='PrecedingWindow', distance=25, radius=12, num_samples=3),
            global_=dict(type='GlobalShuffle', num_frames=10, num_samples=2))),
    detector=dict(roi_head=roi_head))
