_base_ = [
    '../_base_/models/toy_yolox.py', '../_base_/heads/toy_dense.py',
    '../_base_/datasets/toy_vid.py', '../_base_/schedules/toy_400i.py',
    '../_base_/default_runtime.py'
]
# "My detector plus time" with YOLOV's aggregation: the whole detector is frozen.
stock_head = _base_.model.detector.bbox_head
model = dict(
    **_base_.with_yolov,
    detector=dict(bbox_head=dict(_delete_=True, **_base_.yolov_head, base=stock_head)))
train_dataloader = dict(batch_size=4)
