# Proposal and instance level of MST. A config joins it to a temporal RoI head:
#     aggregator = dict(_delete_=True, **_base_.mst_levels)
mst_levels = dict(
    type='ChainedAggregator',
    order=['proposal', 'instance'],
    aggregators=dict(
        proposal=dict(
            type='MSTProposalAggregator',
            channels=1024,
            num_heads=16,
            num_stages=2,
            reference_topk=75),
        instance=dict(
            type='MSTInstanceAggregator',
            channels=1024,
            num_heads=16,
            num_candidates=20,
            ratio=0.2,
            iou=0.5,
            reference_topk=300)))
