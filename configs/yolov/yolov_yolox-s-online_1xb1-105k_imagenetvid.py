# The online mode of YOLOV-s, with the same weights: past frames alone, by a memory.
_base_ = './yolov_yolox-s_1xb1-105k_imagenetvid.py'
model = dict(
    references=dict(
        _delete_=True, type='TrainTestReferences', training=dict(type='ShuffledGroups'),
        testing=None),
    detector=dict(bbox_head=dict(aggregator=dict(memory=dict(size=600, num_frames=31)))))
