# Stage 3, from stage 2: the whole network. Row (b) of table 1.
_base_ = [
    '../_base_/models/ogemn_rfcn_r101-pixel.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/ogemn_10k.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/ogemn-embedding_rfcn_r101-pixel_1xb1-60k_imagenetvid/iter_60000.pth'
