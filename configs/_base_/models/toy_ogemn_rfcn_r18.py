# Both memories; the instance memory reads pooled scores, 3 x 3 bins of 13 classes.
_base_ = ['./toy_ogemn_rfcn_r18-pixel.py']

model = dict(
    detector=dict(
        roi_head=dict(
            type='TemporalRFCNRoIHead',
            aggregator=dict(
                type='OGEMNAggregator',
                channels=117,
                num_heads=8,
                embed_channels=32,
                temperature=20.0,
                alike=True,
                interval=10,
                reference_topk=40,
                detach=True))))
