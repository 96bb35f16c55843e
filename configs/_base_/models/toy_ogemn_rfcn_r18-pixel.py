# OGEMN's pixel memory on the small R-FCN, online; it joins the maps of both stages (one stride).
# Frames of the training sample before the key frame get no gradient: half the time on a CPU. The
# small detector is never sure: one detection in 2,000 has a score above the paper's 0.9. Ten
# objects of a class are several times the 320 cells of its map; the paper's memory is 0.9 maps.
_base_ = ['./toy_rfcn_r18.py']

model = dict(
    frozen=dict(names=['detector.backbone']),
    references=dict(type='PrecedingIntervals', num_samples=3, max_interval=8),
    temporal_neck=dict(
        type='OGEMNNeck',
        in_channels=192,
        levels=((0, 1), ),
        strides=8,
        num_heads=8,
        embed_channels=32,
        temperature=20.0,
        alike=True,
        write_rule=dict(score_thr=0.5, similarity_thr=0.47, max_per_class=1),
        detach=True))
