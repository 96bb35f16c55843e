_base_ = [
    '../_base_/models/yolox-s.py', '../_base_/datasets/imagenet_vid_yolov.py',
    '../_base_/schedules/yolox_7e.py', '../_base_/epoch_runtime.py'
]
train_dataloader = dict(
    batch_size=16, sampler=dict(type='VideoKeyFrameSampler'), dataset=dict(key_frames='marked'))
# mmdet's weights on COCO, but for the layers that know its classes
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'
