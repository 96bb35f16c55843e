# Both memories; the instance memory reads 7 x 7 bins of 31 scores, padded to 1520 for 8 heads.
_base_ = './ogemn_rfcn_r101-pixel.py'

model = dict(
    detector=dict(
        roi_head=dict(
            type='TemporalRFCNRoIHead',
            aggregator=dict(
                type='OGEMNAggregator',
                channels=1519,
                num_heads=8,
                embed_channels=32,
                temperature=1.0,
                interval=10,
                reference_topk=300))))
