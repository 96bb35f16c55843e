_base_ = [
    '../_base_/models/yolovpp-s.py', '../_base_/sizes/yolov.py',
    '../_base_/datasets/imagenet_vid_yolov.py', '../_base_/schedules/yolov_75k.py',
    '../_base_/yolov_runtime.py'
]
model = _base_.yolovpp_focal_l
