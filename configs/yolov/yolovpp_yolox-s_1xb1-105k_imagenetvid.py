_base_ = [
    '../_base_/models/yolovpp-s.py', '../_base_/datasets/imagenet_vid_yolov.py',
    '../_base_/schedules/yolov_105k.py', '../_base_/yolov_runtime.py'
]
