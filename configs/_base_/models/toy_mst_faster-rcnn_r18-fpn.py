# MST on the small detector: 15 objects of a frame. The layer between the relations of the proposal
# level starts as the second shared layer of the static box head.
_base_ = ['./toy_mega_faster-rcnn_r18-fpn.py', '../necks/toy_mst.py']

relation = dict(channels=256, num_heads=8, reference_topk=15)
model = dict(
    frozen=dict(names=['detector.backbone', 'detector.neck']),
    references=dict(_delete_=True, **_base_.temporal_parts.references),
    temporal_neck=_base_.temporal_parts.temporal_neck,
    detector=dict(
        roi_head=dict(
            aggregator=dict(
                _delete_=True,
                type='ChainedAggregator',
                order=['proposal', 'instance'],
                aggregators=dict(
                    proposal=dict(type='MSTProposalAggregator', fc=True, **relation),
                    instance=dict(
                        type='MSTInstanceAggregator', num_candidates=10, ratio=0.2,
                        **relation))))))
