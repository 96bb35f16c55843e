_base_ = [
    '../_base_/models/rtmdet-s.py', '../_base_/heads/dense.py',
    '../_base_/datasets/imagenet_vid_fgfa_style.py', '../_base_/schedules/mega_120k.py',
    '../_base_/default_runtime.py'
]
# The detector is frozen: start from one that was trained on ImageNet VID.
stock_head = _base_.model.detector.bbox_head
model = dict(
    **_base_.with_mega,
    detector=dict(bbox_head=dict(_delete_=True, **_base_.mega_head, base=stock_head)))
