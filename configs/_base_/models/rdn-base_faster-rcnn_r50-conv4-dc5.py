# RDN-base, stage 1 of RDN: the basic stage alone. As MEGA's but for the references and the
# aggregator.
_base_ = ['./mega_faster-rcnn_r50-conv4-dc5.py']
model = dict(
    references=dict(_delete_=True, type='LocalWindow', radius=18, num_samples=2, sample_key=True),
    detector=dict(
        roi_head=dict(
            aggregator=dict(
                _delete_=True,
                type='RDNAggregator',
                channels=1024,
                num_heads=16,
                num_base_stages=2,
                num_advanced_stages=0,
                reference_topk=75,
                distilled_topk=15))))
