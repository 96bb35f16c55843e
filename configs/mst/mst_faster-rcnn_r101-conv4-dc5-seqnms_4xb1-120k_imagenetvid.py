_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# With Seq-NMS: 84.9 mAP (table 1). The same training; Seq-NMS replaces the suppression.
model = dict(detections=dict(nms=False))
val_evaluator = dict(post_processors=[dict(type='SeqNMS')])
test_evaluator = val_evaluator
