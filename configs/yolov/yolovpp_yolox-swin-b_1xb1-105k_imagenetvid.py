_base_ = [
    '../_base_/models/yolovpp-s.py', '../_base_/sizes/yolov.py',
    '../_base_/datasets/imagenet_vid_yolov.py', '../_base_/schedules/yolov_105k.py',
    '../_base_/yolov_runtime.py'
]
model = _base_.yolovpp_swin_b
optim_wrapper = dict(optimizer=dict(lr=1.25e-4))
