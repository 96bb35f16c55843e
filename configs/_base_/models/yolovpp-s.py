# YOLOV++-s as published: every point above a threshold is an object, and its objectness is
# predicted again, too.
_base_ = './yolov-s.py'

model = dict(
    detector=dict(
        bbox_head=dict(
            selection=dict(_delete_=True, type='ScoreThreshold', score_thr=0.001),
            aggregator=dict(form='2024', objectness='decoupled'),
            refine_objectness=True,
            losses=dict(
                _delete_=True, classes_of='positive', max_obj_loss=15.0))))
