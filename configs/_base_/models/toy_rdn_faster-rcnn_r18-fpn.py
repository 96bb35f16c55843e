# RDN on the small detector: 15 objects of a reference frame, 3 of them refined, 13 frames.
_base_ = ['./toy_mega_faster-rcnn_r18-fpn.py']
# As MEGA's but for the references and the aggregator.
model = dict(
    references=dict(_delete_=True, type='LocalWindow', radius=6, num_samples=3, sample_key=True),
    detector=dict(
        roi_head=dict(
            aggregator=dict(
                _delete_=True,
                type='RDNAggregator',
                channels=256,
                num_heads=8,
                num_base_stages=2,
                num_advanced_stages=1,
                reference_topk=15,
                distilled_topk=3))))
