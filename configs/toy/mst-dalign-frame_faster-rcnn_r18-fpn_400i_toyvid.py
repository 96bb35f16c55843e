_base_ = [
    '../_base_/models/toy_faster-rcnn_r18-fpn.py', '../_base_/necks/toy_mst.py',
    '../_base_/datasets/toy_vid.py', '../_base_/schedules/toy_mst_400i.py',
    '../_base_/default_runtime.py'
]
# Row (d): alignment and frame level.
model = _base_.temporal_parts
train_dataloader = dict(batch_size=4)
