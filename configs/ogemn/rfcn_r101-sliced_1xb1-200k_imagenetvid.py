# Stage 1 of OGEMN and row (a) of its table 1: the static detector.
_base_ = [
    '../_base_/models/rfcn-sliced_r101.py', '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/ogemn_200k.py', '../_base_/default_runtime.py'
]
