_base_ = [
    '../_base_/models/mst_faster-rcnn_r101-conv4-dc5.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py',
    '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py',
]
# Table 3 (g): 83.3 mAP.
