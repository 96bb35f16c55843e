# An online mode of YOLOV++-s with the same weights, which its authors do not have.
_base_ = './yolovpp_yolox-s_1xb1-105k_imagenetvid.py'
model = dict(
    references=dict(
        _delete_=True, type='TrainTestReferences', training=dict(type='ShuffledGroups'),
        testing=None),
    detector=dict(bbox_head=dict(aggregator=dict(memory=dict(size=600, num_frames=31)))))
