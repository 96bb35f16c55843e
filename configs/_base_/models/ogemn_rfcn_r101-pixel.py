# OGEMN's pixel memory on the map that both slices are cut from, online.
_base_ = './rfcn-sliced_r101.py'

model = dict(
    references=dict(type='PrecedingIntervals', num_samples=3, max_interval=20),
    temporal_neck=dict(
        type='OGEMNNeck',
        in_channels=1024,
        levels=((0, 1), ),
        strides=16,
        num_heads=8,
        embed_channels=32,
        temperature=1.0,
        write_rule=dict(score_thr=0.9, similarity_thr=0.47, max_per_class=10)))
