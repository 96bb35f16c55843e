# Stage 2, from the static detector: the embeddings alone.
_base_ = [
    '../_base_/models/ogemn_rfcn_r101.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/ogemn_60k.py', '../_base_/default_runtime.py'
]
model = dict(detector=dict(backbone=dict(frozen_stages=4)))  # saves time and memory
load_from = 'work_dirs/rfcn_r101-sliced_1xb1-200k_imagenetvid/iter_200000.pth'
