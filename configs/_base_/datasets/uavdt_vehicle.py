# UAVDT with one class, from uavdt2coco_vid.py --classes vehicle.
_base_ = './uavdt.py'
metainfo = dict(classes=('vehicle', ))
train_dataloader = dict(
    dataset=dict(ann_file='annotations/uavdt_vehicle_train.json', metainfo=metainfo))
val_dataloader = dict(
    dataset=dict(ann_file='annotations/uavdt_vehicle_test.json', metainfo=metainfo))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=_base_.data_root + 'annotations/uavdt_vehicle_test.json')
test_evaluator = val_evaluator
