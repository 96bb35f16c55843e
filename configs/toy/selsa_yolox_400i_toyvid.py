_base_ = [
    '../_base_/models/toy_yolox.py', '../_base_/heads/toy_dense.py',
    '../_base_/datasets/toy_vid.py', '../_base_/schedules/toy_400i.py',
    '../_base_/default_runtime.py'
]
# "My detector plus time": the detector is frozen, the head around its own is trained.
stock_head = _base_.model.detector.bbox_head
model = dict(
    **_base_.with_selsa,
    detector=dict(bbox_head=dict(_delete_=True, **_base_.selsa_head, base=stock_head)))
train_dataloader = dict(batch_size=4)
