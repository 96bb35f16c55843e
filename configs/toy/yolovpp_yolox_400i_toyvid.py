_base_ = './yolov_yolox_400i_toyvid.py'
# YOLOV++: every point above a threshold is an object, and its objectness is predicted again, too.
model = dict(detector=dict(bbox_head=dict(
    selection=dict(
        _delete_=True, type='ScoreThreshold', score_thr=0.001, min_objects=10, max_objects=40),
    aggregator=dict(form='2024', objectness='decoupled'),
    refine_objectness=True,
    losses=dict(_delete_=True, classes_of='positive', max_obj_loss=15.0))))
